"""The names of rows: a model, and in parentheses what its records were made with beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from utils.constants import DTYPES, USUAL_DECODE
from utils.records.model_traits import OF_ENCODERS, encoder_traits
from utils.records.original import generator_and_encoder, task_of
from utils.records.result import LoggedResult
from utils.records.training_traits import NAMES
from utils.records.trait_texts import SHOWN, Traits, digest, is_quantized, quoted, short
from utils.records.variants import Variant, variant_of
from utils.task_spec import TaskSpec
from utils.tasks import TASKS

OF_DTYPES = ("generator ", "encoder in ")  # before a precision
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def base_name(result: LoggedResult, spec: TaskSpec) -> str:
    """Return the model's name; of a generative record `generator (departures) + encoder, k-shot`."""
    if not spec.generative:
        return result.plain_model
    generator, encoder = generator_and_encoder(result)
    decode = result.run.get("decode")
    departures = [
        generator.get("quantization", ""),
        decode if decode and decode != USUAL_DECODE.get(generator.get("kind", ""), decode) else "",
    ]
    extra = f" ({', '.join(filter(None, departures))})" if any(departures) else ""
    if not spec.shots:
        return f"{generator['name']}{extra}"
    shown = f" + {encoder}" if result.k and encoder else ""
    return f"{generator['name']}{extra}{shown}, {result.k}-shot"


def row_names(results: Sequence[LoggedResult]) -> list[str]:
    """Return the row of each result as the tables name it, whatever the tasks of the results are."""
    specs = [TASKS[result.run.get("task") or task_of(result)] for result in results]
    bases = [base_name(result, spec) for result, spec in zip(results, specs, strict=True)]
    return with_variants(results, bases, specs)


def with_variants(
    results: Sequence[LoggedResult], bases: Sequence[str], specs: Sequence[TaskSpec], without: Collection[str] = ()
) -> list[str]:
    """Return each result's row: its base name, and in parentheses what it was made with beside the model.

    What has no plain value is told where results of otherwise one row differ in it.
    """
    variants = [
        variant_of(result.run, result.dataset, spec, without, result.subset, result.source)
        for result, spec in zip(results, specs, strict=True)
    ]
    keys = [
        (base, variant.told.get("tag") or words_of(variant.told)) for base, variant in zip(bases, variants, strict=True)
    ]
    alike: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(keys):
        alike.setdefault(key, []).append(place)
    rows = [""] * len(results)
    for (base, _), places in alike.items():
        differing = _differing([(results[place].dataset, variants[place]) for place in places])
        for place in places:
            words = words_of(_shown(results[place].dataset, variants[place], differing))
            rows[place] = f"{base} ({words})" if words else base
    settings = [
        json.dumps([base_name(result, spec), variant.told])
        for result, spec, variant in zip(results, specs, variants, strict=True)
    ]
    return _apart(rows, settings)


def _apart(rows: Sequence[str], settings: Sequence[str]) -> list[str]:
    """Return the rows; where different settings have one name, because a tag or a display name says so, with a hash."""
    several: dict[str, set[str]] = {}
    for row, whole in zip(rows, settings, strict=True):
        several.setdefault(row, set()).add(whole)
    return [
        f"{row} {digest(whole)}" if len(several[row]) > 1 else row for row, whole in zip(rows, settings, strict=True)
    ]


def _differing(records: Sequence[tuple[str, Variant]]) -> set[tuple[str, str]]:
    """Return the (data set, trait) in which records of one name differ; the data set is empty for all of them."""
    seen: dict[tuple[str, str], set[str]] = {}
    for dataset, variant in records:
        for name, value in (*variant.told.items(), *variant.open.items()):
            seen.setdefault(("", name), set()).add(value)
        for name, value in variant.of_dataset.items():
            seen.setdefault((dataset, name), set()).add(value)
    lacking = {  # a tagged record that departs from the others by a setting that they have as plain
        ("", name)
        for dataset, name in seen
        if not dataset and any(name not in variant.told and name not in variant.open for _, variant in records)
    }
    told = {name for _, variant in records for name in variant.told}
    return {place for place, values in seen.items() if len(values) > 1} | {
        place for place in lacking if place[1] in told
    }


def _shown(dataset: str, variant: Variant, differing: Collection[tuple[str, str]]) -> Traits:
    """Return the traits that a record's row tells; a tag stands for the settings that all its records share."""
    tagged = "tag" in variant.told
    told = {
        name: value for name, value in variant.told.items() if not tagged or name == "tag" or ("", name) in differing
    }
    told |= {name: value for name, value in variant.open.items() if ("", name) in differing}
    return told | {name: value for name, value in variant.of_dataset.items() if (dataset, name) in differing}


def name_with_encoder(run: Mapping[str, Any], dataset: str, spec: TaskSpec) -> str:
    """Return the model's name of a record's `run` part, and in parentheses what departs in its encoders."""
    told, traits = variant_of(run, dataset, spec).told, encoder_traits(run)
    words = words_of({name: value for name, value in told.items() if name in traits})
    return f"{run['model']} ({words})" if words else str(run["model"])


def words_of(traits: Mapping[str, str]) -> str:
    """Return traits as a row's name has them: `fuse rank, prompt "query: "`; long texts are cut and end in a hash."""
    return ", ".join(_words(name, value) for name, value in traits.items())


def _words(name: str, value: str) -> str:
    if name == "tag":
        return value
    if name == "gen_dtype":
        return f"generator in {value}"
    if name == "dtype":
        return f"encoder in {value}" if is_quantized(value) else value
    if value == "true":
        return name
    if not value:
        return f"no {name}"
    if name == "prompt":
        return f"{name} {value}"
    if name == "instruction":
        return f"{name} {quoted(value)}"
    if name == "of":  # the checkpoints of an ensemble
        return f"{name} {value}"
    is_hash = name.endswith("revision") and HASH.fullmatch(value)  # of which the first digits tell it apart
    return f"{name} {value[:SHOWN]}" if is_hash else f"{name} {short(value)}"


def reads_as_setting(text: str) -> bool:
    """Return whether a row's name has such words for a setting: `fuse rank`, `no prompt`, `fp16`, `balance`."""
    settings = {name for spec in TASKS.values() for name in (*spec.fields, *spec.row_settings)}
    names = {*settings, *OF_ENCODERS, "src_lang", "data", "tuned", "of", "trust_remote_code"} - {"tag"}
    names |= set(NAMES)
    first, _, rest = text.partition(" ")
    return (
        text in (*DTYPES, *names) or first in names or (first == "no" and rest in names) or text.startswith(OF_DTYPES)
    )
