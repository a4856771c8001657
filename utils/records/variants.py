"""What a record was made with beside its model: which records make a row, the row's name, and a run's own folder.

One place decides it for the tables, the figures, the report page, the export to mteb and the tables of notebooks: a row
is a model in one whole setting. What departs from the plain setting stands in the row's name. What has no plain value,
such as the revision of a checkpoint that is not registered, stands there where the records of a row would differ.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from utils.constants import DEFAULT_MARGIN_K, DEFAULT_RERANK_DEPTH, SENTENCE_PIECES, usual_length
from utils.data.registry import sets_of
from utils.generators.prompts import default_instruction
from utils.generators.templates import usual_template
from utils.records.model_traits import encoder_traits, model_traits
from utils.records.training_traits import training_traits
from utils.records.trait_texts import Traits, as_text, digest, is_quantized
from utils.records.versions import traits_of_versions
from utils.schema import DatasetSpec
from utils.task_spec import TaskSpec

IN_PLACE = 16  # characters of a value in a folder's name
NOT_IN_FOLDERS = ("revision", "served_at", "kind")  # a folder that another value occupies is left to it
ALWAYS = {"rerank_depth": DEFAULT_RERANK_DEPTH, "bleu_tokenize": SENTENCE_PIECES[0]}


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
    told = Traits()
    if tag := run.get("tag"):
        told["tag"] = str(tag)
    for name in spec.row_settings:
        value = run.get(name)
        if name not in without and value is not None and value not in _plain(name, run, dataset, spec):
            told[name] = as_text(value)
    of_models, free = model_traits(run, without)
    told |= of_models
    free |= traits_of_versions(run)
    if run.get("pmi") and run.get("length_norm") not in (None, "sum"):
        told["length_norm"] = as_text(run["length_norm"])
    row = sets_of(spec.data).get(dataset)
    told |= training_traits(run, row.subsets if row else run.get("languages") or ())
    told_of_data, of_dataset = _of_data(run, row, spec, without, subset, source_lang)
    return Variant(told | told_of_data, free, of_dataset | _tuned(run))


def _of_data(
    run: Mapping[str, Any],
    row: DatasetSpec | None,
    spec: TaskSpec,
    without: Collection[str],
    subset: str,
    source_lang: str | None,
) -> tuple[Traits, Traits]:
    """Return what departs from the registered data in languages and revision, and the same of data without a row."""
    told, of_dataset, source = Traits(), Traits(), run.get("source")
    is_pair = spec.pairs and not {"lang", "langs"} & run.keys()  # layers are also measured on single languages
    is_pair |= row is not None and "layout" in row.options  # sentences and their translations
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
    return told, of_dataset


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


def place_of(run: Mapping[str, Any], dataset: str, spec: TaskSpec) -> str:
    """Return the part of a run's folder that tells what earlier versions did not tell; empty for a plain run."""
    told = variant_of(run, dataset, spec).told
    late = [name for name, field in spec.fields.items() if field.metadata["late"]]
    placed = (*late, *encoder_traits(run), *training_traits(run), *(name for name in told if name.startswith("gen_")))
    names = [name for name in told if name in placed and name not in NOT_IN_FOLDERS]
    return "_".join(_in_place(name, told[name].replace('\\"', '"')) for name in names)


def earlier_place_of(run: Mapping[str, Any], dataset: str, spec: TaskSpec) -> str:
    """Return the part of a run's folder that versions wrote which told any input type of an API without a row."""
    members = run.get("encoders") or []
    nameless = [{name: value for name, value in member.items() if name != "provider"} for member in members]
    return place_of({**run, "encoders": nameless}, dataset, spec)


def _in_place(name: str, value: str) -> str:
    if not value:
        return f"no_{name}"
    clean = re.sub(r"[^\w.+-]+", "_", value, flags=re.ASCII).strip("_")
    text = clean if clean == value and len(clean) <= IN_PLACE else f"{clean[:IN_PLACE]}_{digest(value)}".lstrip("_")
    return text if name == "tag" or (name == "dtype" and not is_quantized(value)) else f"{name}_{text}"
