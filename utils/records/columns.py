"""The columns of a table of records, and the kinds of their values."""

from __future__ import annotations

from utils.records import original
from utils.tasks import TASKS

# column -> kind of its values; every table of records has these, in this order, the metrics after `n`
KEYS = {
    "path": "text",
    **dict.fromkeys(("task", "dataset", "subset", "lang", "src_lang", "tgt_lang", "train_lang"), "name"),
    **dict.fromkeys(("family", "script", "setting", "model", "generator", "row"), "name"),
    **dict.fromkeys(("seed", "k"), "count"),
}
FIRST_SETTINGS = (  # the order of the settings; those of other tasks come after them
    *("similarity", "margin", "margin_k", "direction", "fuse", "normalize", "vote", "split", "cross", "legacy"),
    *("balance", "demonstrations", "order", "instruction", "decode", "length_norm", "calibrate"),
    *("min_percentile", "max_percentile", "max_new_tokens", "temperature", "limit", "tag"),
)
KINDS = {
    name: field.metadata["kind"] for spec in TASKS.values() for name, field in spec.fields.items() if name not in KEYS
}
SETTINGS = {name: KINDS[name] for name in dict.fromkeys((*FIRST_SETTINGS, *KINDS))}
MODELS = {
    "n_encoders": "whole",
    **dict.fromkeys(("weights", "checkpoint", "revision", "kind", "prompt", "passage_prompt", "max_length"), "name"),
    **dict.fromkeys(("dtype", "backend", "pooling", "attention", "embedding_precision", "layer"), "name"),
    "tuned": "flag",
    **dict.fromkeys(("generator_kind", "generator_revision", "generator_dtype", "quantization"), "name"),
    **dict.fromkeys(("reranker_kind", "reranker_revision", "reranker_dtype", "reranker_instruction"), "name"),
    "members": "object",
}
ABOUT = {
    **dict.fromkeys(("n_train", "n_dropped", "dimensions", "vector_bytes", "cache_hits", "cache_misses"), "whole"),
    **dict.fromkeys(("origin", "source", "source_revision", "device", "machine"), "name"),
    "started": "time",
    "seconds": "number",
    "git_commit": "name",
    "git_dirty": "flag",
    "schema": "whole",
    "version_python": "name",
}
METRICS = tuple(dict.fromkeys((*original.METRICS, *(name for spec in TASKS.values() for name in spec.metrics))))
OF_SETTINGS = {  # column -> setting; the model of a metric is not called as the metric
    f"{name}_model" if name in METRICS else name: name for name in SETTINGS
}
SETTING_KINDS = {column: SETTINGS[name] for column, name in OF_SETTINGS.items()}
FIGURES = {name: "number" for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")}
COLUMNS = {**KEYS, "n": "whole", **FIGURES, **SETTING_KINDS, **MODELS, **ABOUT}
ITEMS = {"side": "name", "item": "count", "gold": "answer", "hyp": "answer", "correct": "truth"}
VALUES = {**dict.fromkeys(METRICS, "number"), "score": "number", "judged": "number"}  # of items, where they have them
OF_LAYERS = {"layer": "count", "depth": "number", "pooling": "name"}  # the place of a row of a record of layers
DTYPES = {  # a column that is never empty has NumPy's own type
    "text": "str",
    "count": "int64",
    "whole": "Int64",
    "number": "float64",
    "truth": "bool",
    "flag": "boolean",
    "object": "object",
}
SIDES = ("forward", "backward")
