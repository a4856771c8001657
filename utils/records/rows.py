"""One record as a row of a table: its keys, metrics, settings, models and provenance by column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from utils.constants import DENSE, PRECISIONS
from utils.data.languages import ALIASES, family_and_script
from utils.data.registry import DATASETS
from utils.encoders.registry import ENCODERS
from utils.records import original
from utils.records.columns import COLUMNS, OF_SETTINGS
from utils.records.result import LoggedResult
from utils.tasks import TASKS

Row = dict[str, Any]
FLOAT32, *_ = PRECISIONS
OF_LANGUAGES = ("first_k", "answers", "mean_rank")  # figures of a pool of several languages
OF_ENCODERS = (
    "checkpoint",
    "revision",
    "prompt",
    "passage_prompt",
    "max_length",
    "dtype",
    "pooling",
    "attention",
    "layer",
)


def rows_of(results: Iterable[LoggedResult]) -> Iterator[tuple[LoggedResult, Row]]:
    """Yield each result with its row, without the columns for which it has no value."""
    for result in results:
        yield result, {name: _converted(name, value) for name, value in _row(result).items() if value is not None}


def _row(result: LoggedResult) -> Row:
    return {
        **_figures(result),
        **{column: result.run.get(name) for column, name in OF_SETTINGS.items()},
        **_models(result),
        **_about(result.run),
        **languages_of(result),
        "path": str(result.path),
        "dataset": result.dataset,
        "subset": result.subset,
        "seed": result.seed,
        "k": result.k,
    }


def _figures(result: LoggedResult) -> Row:
    """Return n, each metric with its interval where it has one, and the figures of each language of a pool."""
    row: Row = {"n": result.body.get("n")}
    intervals = result.ci95
    for name, value in result.metrics.items():
        row[name] = value
        if name in intervals:
            row[f"{name}_low"], row[f"{name}_high"] = map(float, intervals[name])
    for lang, figures in (result.body.get("languages") or {}).items():
        row |= {f"{name}_{lang}": float(value) for name, value in figures.items() if name in OF_LANGUAGES}
    return row | _of_answers(result.body)


def _of_answers(body: Mapping[str, Any]) -> Row:
    """Return the mean lengths of free answers, the judge's mean level, and its agreement with itself."""
    places = {
        "lengths": ("characters", "words"),
        "judge_levels": ("mean_level",),
        "judge_agreement": ("weighted_kappa",),
    }
    found = {name: (body.get(place) or {}).get(name) for place, names in places.items() for name in names}
    return {name: float(value) for name, value in found.items() if value is not None}


def languages_of(result: LoggedResult) -> Row:
    """Return the task and the languages of a result, by column.

    `lang` is the language that the figure is about: of a pair the side that is neither the data set's pivot nor
    English.
    """
    run, subset = result.run, result.subset
    src_lang, tgt_lang = run.get("src_lang"), run.get("tgt_lang")
    if tgt_lang is None and (pair := original.pair_of(result)):
        src_lang, tgt_lang = pair
    lang = subset if tgt_lang is None else _other_side(result.dataset, src_lang, tgt_lang)
    train_lang = run.get("train_lang") or (lang if tgt_lang is None and run.get("cross") is False else None)
    family, script = family_and_script(lang)
    return {
        "task": run.get("task"),
        "setting": run.get("setting"),
        "lang": lang,
        "src_lang": src_lang,
        "tgt_lang": tgt_lang,
        "train_lang": train_lang,
        "family": family,
        "script": script,
    }


def _other_side(dataset: str, src_lang: str | None, tgt_lang: str) -> str:
    """Return the side of a pair that is neither the set's pivot nor English, the target where both or neither are."""
    spec = DATASETS["bitext"].get(dataset)
    usual = {lang for lang in (src_lang, tgt_lang) if ALIASES.get(str(lang), str(lang)).partition("_")[0] == "eng"}
    usual = {spec.pivot} if spec is not None and spec.pivot in (src_lang, tgt_lang) else usual
    return src_lang if src_lang is not None and tgt_lang in usual and src_lang not in usual else tgt_lang


def _models(result: LoggedResult) -> Row:
    """Return the encoders, the generator and the reranker; the values of several encoders are joined by ` + `."""
    run, encoders = result.run, result.run.get("encoders") or []
    task, generator, model = TASKS.get(str(run.get("task"))), run.get("generator") or {}, result.model
    reranker = run.get("reranker") or {}
    if task is not None and task.generative:
        generator, model = original.generator_and_encoder(result)
    row: Row = {
        "model": model or None,
        "generator": generator.get("name"),
        **{f"generator_{name}": generator.get(name) for name in ("kind", "revision", "dtype")},
        "quantization": generator.get("quantization"),
        **{f"reranker_{name}": reranker.get(name) for name in ("kind", "revision", "dtype", "instruction")},
        "n_encoders": len(encoders) or None,
        "weights": " ".join(str(member.get("weight")) for member in encoders) if len(encoders) > 1 else None,
        "tuned": "tuned" in run if run.get("encoders") else None,
        "members": result.body.get("members"),
    }
    names = {"backend": "torch", "embedding_precision": FLOAT32, **dict.fromkeys(OF_ENCODERS)}
    told = {name: _joined([member.get(name, usual) for member in encoders]) for name, usual in names.items()}
    return {**row, "kind": _joined(list(map(kind_of_member, encoders))), **told}


def kind_of_member(member: Mapping[str, Any]) -> str:
    """Return the kind of an encoder of a record; records have it unless it is dense, or of an earlier version."""
    row = ENCODERS.get(str(member.get("checkpoint")))
    return str(member.get("kind") or (row.kind if row else DENSE))


def _joined(values: Sequence[Any]) -> str | None:
    """Return the value that the members of an ensemble share, or each one's joined; None where no member has one."""
    if all(value is None for value in values):
        return None
    texts = ["-" if value is None else str(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else " + ".join(texts)


def _about(run: Mapping[str, Any]) -> Row:
    """Return the provenance: data, machine, seconds of each phase, cache, an API's counts, versions."""
    seconds, cache, packages = (run.get(name) or {} for name in ("seconds", "cache", "packages"))
    dropped, source, origin = (run.get(name) or {} for name in ("n_dropped", "source", "origin"))
    alike = (
        "n_train",
        "dimensions",
        "vector_bytes",
        "device",
        "machine",
        "started",
        "git_commit",
        "git_dirty",
        "schema",
    )
    return {
        **{name: run.get(name) for name in alike},
        "n_dropped": sum(dropped.values()) if dropped else None,
        "origin": origin.get("kind"),
        "source": source.get("source"),
        "source_revision": source.get("revision"),
        "cache_hits": sum(counts.get("hits") or 0 for counts in cache.values()) if cache else None,
        "cache_misses": sum(counts.get("misses") or 0 for counts in cache.values()) if cache else None,
        "seconds": float(sum(seconds.values())) if seconds else None,
        **{f"seconds_{phase}": float(value) for phase, value in seconds.items()},
        **_api_counts(run.get("api") or {}),
        **{f"version_{name.replace('-', '_')}": as_name(version) for name, version in packages.items()},
    }


def _api_counts(api: Mapping[str, Mapping[str, Any]]) -> Row:
    """Return the sums over the models of an API: requests, retries, tokens, and dollars where the price is known."""
    row: Row = {}
    for counts in api.values():
        for name, value in counts.items():
            if isinstance(value, int | float):
                row[f"api_{name}"] = row.get(f"api_{name}", 0.0) + value
    return row


def as_name(value: Any) -> str:
    """Return a value as text; raises ValueError where it is not valid Unicode, which pandas' strings refuse."""
    if isinstance(value, str):
        value.encode()
        return value
    return json.dumps(value, ensure_ascii=False)


def as_whole(value: Any) -> int:
    """Return a whole number of 64 bits; raises ValueError where the value is none."""
    if int(value) != value or abs(value) >= 2**63:
        raise ValueError(f"{value!r} is not a whole number of 64 bits")
    return int(value)


def _flag(value: Any) -> bool:
    if value not in (True, False):
        raise ValueError(f"{value!r} is neither true nor false")
    return bool(value)


CONVERT: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("name", "text", "time"), as_name),
    **dict.fromkeys(("whole", "count"), as_whole),
    "number": float,
    "flag": _flag,
}
CONVERTERS = {name: CONVERT[kind] for name, kind in COLUMNS.items() if kind in CONVERT}


def _converted(name: str, value: Any) -> Any:
    convert = CONVERTERS.get(name)
    if convert is None:  # a column that only some records have
        as_name(name)
        return value
    return convert(value)
