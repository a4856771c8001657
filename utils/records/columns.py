"""The columns of a table of records and their types."""

from __future__ import annotations

MAIN_METRICS = ("acc", "prec", "rec", "f1")
# column -> kind of its values; every table of records has these, in this order, the figures behind `n`
KEYS = {
    "path": "text",
    **dict.fromkeys(("task", "dataset", "subset", "lang", "src_lang", "tgt_lang", "train_lang"), "name"),
    **dict.fromkeys(("family", "script", "setting", "model", "generator"), "name"),
    **dict.fromkeys(("seed", "k"), "count"),
}
SETTINGS = {
    **dict.fromkeys(("similarity", "margin"), "name"),
    "margin_k": "whole",
    **dict.fromkeys(("direction", "fuse", "normalize", "vote", "split"), "name"),
    **dict.fromkeys(("cross", "legacy", "balance"), "flag"),
    **dict.fromkeys(("demonstrations", "order", "instruction", "decode", "length_norm"), "name"),
    "calibrate": "flag",
    **dict.fromkeys(("min_percentile", "max_percentile", "max_new_tokens"), "whole"),
    "temperature": "number",
    "limit": "whole",
}
MODELS = {
    "n_encoders": "whole",
    **dict.fromkeys(("weights", "checkpoint", "revision", "prompt", "max_length", "dtype", "backend"), "name"),
    "tuned": "flag",
    **dict.fromkeys(("generator_kind", "generator_revision", "generator_dtype", "quantization"), "name"),
    "members": "object",
}
ABOUT = {
    **dict.fromkeys(("n_train", "n_dropped", "dimensions", "cache_hits", "cache_misses"), "whole"),
    **dict.fromkeys(("origin", "source", "source_revision", "device", "machine"), "name"),
    "started": "time",
    "seconds": "number",
    "git_commit": "name",
    "git_dirty": "flag",
    "schema": "whole",
    "version_python": "name",
}
FIGURES = {name: "number" for metric in MAIN_METRICS for name in (metric, f"{metric}_low", f"{metric}_high")}
COLUMNS = {**KEYS, "n": "whole", **FIGURES, **SETTINGS, **MODELS, **ABOUT}
ITEMS = {"side": "name", "item": "count", "gold": "answer", "hyp": "answer", "correct": "truth"}
DTYPES = {  # what is missing in no row has numpy's own
    "text": "str",
    "count": "int64",
    "whole": "Int64",
    "number": "float64",
    "truth": "bool",
    "flag": "boolean",
    "object": "object",
}
SIDES = ("forward", "backward")
