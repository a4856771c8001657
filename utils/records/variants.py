"""What a record was made with beside its model: which records make a row, the row's name, and a run's own folder.

One place decides it for the tables, the figures, the report page, the export to mteb and the tables of notebooks: a row
is a model in one whole setting. What departs from the plain setting stands in the row's name. What has no plain value,
such as the revision of a checkpoint that is not registered, stands there where the records of a row would differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.api.providers import PROVIDERS
from utils.constants import DEFAULT_MARGIN_K, DEFAULT_RERANK_DEPTH, DTYPES, SENTENCE_PIECES, usual_length
from utils.data.registry import sets_of
from utils.encoders.registry import ENCODERS
from utils.generators.prompts import default_instruction
from utils.generators.templates import usual_template
from utils.records.training_traits import training_traits
from utils.records.versions import traits_of_versions
from utils.rerankers.llm import INSTRUCTION as USUAL_TASK
from utils.schema import DatasetSpec
from utils.task_spec import TaskSpec

FULL, *_ = DTYPES
SHOWN = 32  # characters of a text in a row's name
IN_PLACE = 16  # characters of a value in a folder's name
OF_ENCODERS = (
    "prompt",
    "passage_prompt",
    "max_length",
    "dtype",
    "backend",
    "pooling",
    "attention",
    "layer",
    "dimensions",
    "embedding_precision",
    "input_type",
    "revision",
    "served_at",
)
OF_GENERATORS = ("revision", "dtype", "kind", "served_at")  # these come first in a name, others in their order
BY_NAME = ("checkpoint", "name", "quantization", "provider", "model", "weight")  # what the model's name tells
OF_CHECKPOINT = ("kind",)  # of an encoder, what its checkpoint is
NOT_IN_FOLDERS = ("revision", "served_at", "kind")  # a folder that another value occupies is left to it
PROMPTS = ("prompt", "passage_prompt")
ALWAYS = {"rerank_depth": DEFAULT_RERANK_DEPTH, "bleu_tokenize": SENTENCE_PIECES[0]}
Traits = dict[str, str]  # name -> value as text


@dataclass(frozen=True)
class Variant:
    """What a record was made with beside its model.

    told: what departs from the plain setting. open: values that have no plain one. of_dataset: the same, of values that
    may differ between data sets, such as weights that were tuned on each.
    """

    told: Traits
    open: Traits
    of_dataset: Traits


def variant_of(
    run: Mapping[str, Any],
    dataset: str,
    spec: TaskSpec,
    without: Collection[str] = (),
    subset: str = "",
    source_lang: str | None = None,
) -> Variant:
    """Return what a record's `run` part departs in; settings in `without` are those that a table states elsewhere.

    subset: the record's, of which a pair from another language than the pivot is told by that language. source_lang:
    that of a row of own pairs, where their data set has several.
    """
    told, free, of_dataset = dict[str, str](), dict[str, str](), dict[str, str]()
    if tag := run.get("tag"):
        told["tag"] = str(tag)
    for name in spec.row_settings:
        value = run.get(name)
        if name not in without and value is not None and value not in _plain(name, run, dataset, spec):
            told[name] = _text(value)
    _of_models(run, told, free, without)
    free |= traits_of_versions(run)
    if run.get("pmi") and run.get("length_norm") not in (None, "sum"):
        told["length_norm"] = _text(run["length_norm"])
    source, row = run.get("source"), sets_of(spec.data).get(dataset)
    told |= training_traits(run, row.subsets if row else run.get("languages") or ())
    is_pair = spec.pairs and not {"lang", "langs"} & run.keys()  # layers are also measured on single languages
    if is_pair and row is not None and "src_lang" not in without and subset and subset not in row.subsets:
        told["src_lang"] = str(run.get("src_lang") or subset.partition("_")[0])
    if isinstance(source, dict):
        data = "@".join(str(source[name]) for name in ("source", "revision") if source.get(name))
        if row is None:
            of_dataset["data"] = data
            if source_lang and "src_lang" not in without:
                told["src_lang"] = source_lang
        elif source.get("source") != row.source or not _same_revision(source, row):
            told["data"] = data
    if run.get("cross") and run.get("train_lang") and not (row and row.pivot) and "train_lang" not in without:
        of_dataset["train_lang"] = str(run["train_lang"])
    return Variant(told, free, of_dataset | _tuned(run))


def _tuned(run: Mapping[str, Any]) -> Traits:
    """Return the weights of an ensemble that were tuned on validation data; nothing for others."""
    tuned = run.get("tuned")
    weights = tuned.get("weights") if isinstance(tuned, dict) else None
    return {"tuned": " ".join(map(str, weights))} if isinstance(weights, list) else {}


def _same_revision(source: Mapping[str, Any], row: DatasetSpec) -> bool:
    """Return whether data are of the registered revision; a mirror has none of its own."""
    return source.get("kind") == "mirror" or source.get("revision") in (row.revision, None)


def _plain(name: str, run: Mapping[str, Any], dataset: str, spec: TaskSpec) -> Collection[Any]:
    """Return the values of a setting that are not told: its default, and what follows from the other settings."""
    row = sets_of(spec.data).get(dataset)
    if name == "margin_k":
        return (DEFAULT_MARGIN_K.get(str(run.get("margin"))),)
    if name == "template" and spec.fields[name].default is None:
        return (usual_template(row, run),)
    if name == "instruction":
        usual = default_instruction(row.options.get("subject", "") if row else "")
        return ("" if run.get("template") else usual,)
    if name == "max_new_tokens" and spec.fields[name].default is None:
        kind = row.options.get("kind") if row else run.get("answer_kind")
        return (usual_length(str(kind), row.options.get("max_new_tokens") if row else None),)
    if name in ALWAYS:
        return (ALWAYS[name],)
    if name == "decode":
        return (run.get("decode"),)  # the generator's name tells it where it is not the usual one
    if name == "demonstrations":
        return ("nearest", run.get("model"))  # random and bm25 are the model's name already
    if name == "train_lang":
        return (row.pivot if row and row.pivot and run.get("cross") else run[name],)
    return (spec.fields[name].default,)


def _of_models(run: Mapping[str, Any], told: Traits, free: Traits, without: Collection[str]) -> None:
    """Add what departs in the encoders and the generator; of an ensemble each value is told with its encoder."""
    encoders = run.get("encoders")
    members = [member for member in encoders if isinstance(member, dict)] if isinstance(encoders, list) else []
    who = dict(zip(map(id, members), _names_of(members), strict=True))
    for name in (trait for trait in encoder_traits(run) if trait not in without):
        comparable = [member for member in members if _has_plain(member, name)]
        departing = [
            (who[id(member)], text) for member in comparable if (text := _of_encoder(member, name)) is not None
        ]
        if departing:
            told[name] = _joined(departing, len(members))
        others = [member for member in members if not _has_plain(member, name) and _is_told(member, name)]
        if others:
            texts = [(who[id(member)], _member_text(name, member[name])) for member in others]
            free[name] = _joined(texts, len(members))
    if len(members) > 1:  # the name of an ensemble leaves out the owners of its members
        free["of"] = _in_order(members)
    _of_generator(run, told, free)
    _of_reranker(run.get("reranker"), told, free)


def _of_generator(run: Mapping[str, Any], told: Traits, free: Traits) -> None:
    """Add what departs in the generator."""
    generator = run.get("generator")
    generator = generator if isinstance(generator, dict) else {}
    for name in (*OF_GENERATORS, *(other for other in generator if other not in (*OF_GENERATORS, *BY_NAME))):
        value = generator.get(name)
        if name not in OF_GENERATORS or name == "dtype":
            if value not in (None, "", False, FULL):
                told[f"gen_{name}"] = _text(value)
        elif value is not None or (name == "revision" and name in generator):
            free[f"gen_{name}"] = "" if value is None else _text(value)


def _of_reranker(reranker: Any, told: Traits, free: Traits) -> None:
    """Add what departs in the reranker beside its name, which is a setting."""
    about = reranker if isinstance(reranker, dict) else {}
    for name in ("max_length", "instruction", "dtype", "revision", "served_at"):
        value = about.get(name)
        if (
            value in (None, "")
            or (name == "dtype" and value == FULL)
            or (name == "instruction" and value == USUAL_TASK)
        ):
            continue
        (free if name in ("revision", "served_at") else told)[f"rerank_{name}"] = _text(value)


def encoder_traits(run: Mapping[str, Any]) -> list[str]:
    """Return the names of what decides the vectors of a record's encoders, beside what their names tell."""
    encoders = run.get("encoders")
    members = [member for member in encoders if isinstance(member, dict)] if isinstance(encoders, list) else []
    known = (*OF_ENCODERS, *BY_NAME, *OF_CHECKPOINT)
    return [*OF_ENCODERS, *dict.fromkeys(name for member in members for name in member if name not in known)]


def _names_of(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the members' names without their owners, and with them where those of two checkpoints are alike."""
    whole = [str(member.get("checkpoint")) for member in members]
    alike = {name: {other for other in whole if other.split("/")[-1] == name.split("/")[-1]} for name in whole}
    return [name.split("/")[-1] if len(alike[name]) == 1 else name for name in whole]


def _in_order(members: Sequence[Mapping[str, Any]]) -> str:
    """Return the checkpoints of an ensemble, and the prompts of one that it has several times."""
    whole = [str(member.get("checkpoint")) for member in members]
    return " + ".join(
        name if whole.count(name) == 1 else f"{name} {_member_text('prompt', member.get('prompt'))}".rstrip()
        for name, member in zip(whole, members, strict=True)
    )


def _joined(texts: Sequence[tuple[str, str]], n_members: int) -> str:
    """Return the value that all members share, or each one's with its name."""
    values = {text for _, text in texts}
    if len(texts) == n_members and len(values) == 1:
        return values.pop()
    return ", ".join(f"{text or 'none'} of {who}" for who, text in texts)


def _is_told(member: Mapping[str, Any], name: str) -> bool:
    """Return whether a record says what an encoder's value was; a prompt of null is the checkpoint's own, or none."""
    return name in member and (name == "prompt" or member[name] is not None)


def _member_text(name: str, value: Any) -> str:
    """Return a value of an encoder as text; a prompt in quotation marks, since it may end in a blank."""
    if name == "prompt" and value is None:
        return "of the checkpoint"
    return quoted(_text(value)) if name in PROMPTS and value else _text(value)


def _has_plain(member: Mapping[str, Any], name: str) -> bool:
    """Return whether a value of an encoder can be compared with a plain one."""
    row = ENCODERS.get(str(member.get("checkpoint")))
    if name == "prompt":
        return row is not None
    return row is not None and row.revision is not None if name == "revision" else name != "served_at"


def _of_encoder(member: Mapping[str, Any], name: str) -> str | None:
    """Return the value of an encoder as text, None where it is the plain one."""
    row = ENCODERS.get(str(member.get("checkpoint")))
    value = member.get(name)
    plain = {
        "prompt": row.prompt if row else None,
        "passage_prompt": row.passage_prompt if row else None,
        "passage_input_type": PROVIDERS[row.provider].passage_input_type if row and row.provider else None,
        "revision": row.revision if row else None,
        "dtype": FULL,
        "backend": "torch",
        "input_type": row.input_type if row else None,
    }
    return (
        None
        if value is None or value is False or value == plain.get(name) or (name == "dtype" and not value)
        else _member_text(name, value)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def quoted(value: str) -> str:
    """Return a text in quotation marks, cut as `short` does; those in it have a backslash."""
    return f'"{escaped(short(value))}"'


def escaped(value: str) -> str:
    """Return a text with a backslash before each quotation mark."""
    return value.replace('"', '\\"')


def short(value: str) -> str:
    """Return a text on one line; a long one is cut and ends in a hash."""
    flat = " ".join(value.splitlines()) if "\n" in value else value
    return flat if flat == value and len(flat) <= SHOWN else f"{flat[: SHOWN - 8]}… {digest(value)}"


def digest(value: str) -> str:
    """Return six digits that tell long texts apart in names."""
    return hashlib.sha256(value.encode(errors="surrogatepass")).hexdigest()[:6]


def place_of(run: Mapping[str, Any], dataset: str, spec: TaskSpec) -> str:
    """Return the part of a run's folder that tells what earlier versions did not tell; empty for a plain run."""
    told = variant_of(run, dataset, spec).told
    late = [name for name, field in spec.fields.items() if field.metadata["late"]]
    placed = (*late, *encoder_traits(run), *training_traits(run), *(name for name in told if name.startswith("gen_")))
    names = [name for name in told if name in placed and name not in NOT_IN_FOLDERS]
    return "_".join(_in_place(name, told[name].replace('\\"', '"')) for name in names)


def _in_place(name: str, value: str) -> str:
    if not value:
        return f"no_{name}"
    clean = re.sub(r"[^\w.+-]+", "_", value, flags=re.ASCII).strip("_")
    text = clean if clean == value and len(clean) <= IN_PLACE else f"{clean[:IN_PLACE]}_{digest(value)}".lstrip("_")
    return text if name in ("tag", "dtype") else f"{name}_{text}"
