"""Pack the texts of the items that a page shows, where they are on this machine: shipped, in a mirror, or own data."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from utils.data.items import has_items
from utils.data.sources import Sources, planned_origin
from utils.data.subsets import Item
from utils.errors import UserError
from utils.reporting.pages.leaderboards import Entry
from utils.reporting.pages.own_texts import OwnData, is_own
from utils.reporting.pages.parts import Packer, Ref
from utils.reporting.tables.build import Kind
from utils.schema import DatasetSpec
from utils.tasks import TASKS

Texts = Mapping[str, Sequence[Any]]  # lists of one length: texts and labels, or sources and targets
Load = Callable[[], Texts]


def pack_texts(
    entries: Sequence[Entry],
    parts: list[str],
    budget: float,
    where: Sources,
    folders: Sequence[Path],
    warn: Callable[[str], None],
) -> tuple[dict[str, Ref], dict[str, str]]:
    """Return the places of the texts of these records, and why a list of texts has none; nothing is downloaded.

    Lists of texts are named by task, data set, subset and split, those of own data also by the seed, which may draw the
    split. Own data are read again at their paths, relative ones from `folders`. Texts that exceed `budget` bytes are
    left out, with a warning.
    """
    packer, refs, reasons = Packer(parts, budget), dict[str, Ref](), dict[str, str]()
    own = OwnData(folders)
    for entry in entries:
        spec = own.find(entry) if is_own(entry) else _registered(entry, where)
        for key, load in _wanted(spec, entry, where):
            if key in refs or packer.full:
                continue
            if isinstance(load, str):
                reasons[key] = load
                continue
            try:
                with contextlib.redirect_stderr(io.StringIO()):  # the notes were told when the texts were first read
                    texts = load()
                refs[key] = packer.add(json.dumps(texts, ensure_ascii=False).encode(errors="backslashreplace"))
            except (UserError, KeyError, OSError) as error:  # a KeyError: the set does not have the language
                reasons[key] = str(error)
                warn(f"no texts of {key}: {error}")
    packer.flush()
    there = {key: ref for key, ref in refs.items() if ref[0] < len(parts)}
    if len(there) < len(refs):
        warn(f"{len(refs) - len(there)} lists of texts have no room in --max_mb and are left out")
    reasons |= dict.fromkeys(refs.keys() - there.keys(), "they have no room in --max_mb")
    return there, {key: reason for key, reason in reasons.items() if key not in there}


def _registered(entry: Entry, where: Sources) -> DatasetSpec | str:
    """Return the row of a registered data set, or the reason why its texts cannot be shown."""
    spec = Kind(entry.task).dataset(entry.result.dataset)
    if spec is None:
        return "no data set of this name is known"
    if _is_local(spec, entry, where):
        return spec
    if spec.kind == "shipped":
        return "the data set was another version"
    return f"--data_dir names no mirror that has {spec.source} as it was used"


def _is_local(spec: DatasetSpec, entry: Entry, where: Sources) -> bool:
    """Return whether the texts that a record was computed from are on this machine, at the same revision."""
    if spec.kind != "shipped" and (where.data_dir is None or not (where.data_dir / spec.source).is_dir()):
        return False
    there = planned_origin(spec, where)
    source = entry.result.run.get("source")
    return isinstance(source, dict) and all(source.get(name) == there[name] for name in ("source", "revision"))


def _wanted(spec: DatasetSpec | str, entry: Entry, where: Sources) -> Iterator[tuple[str, Load | str]]:
    """Yield the key and the loader of each list of texts that a record's items refer to, or why there is none."""
    run, dataset, name = entry.result.run, entry.result.dataset, entry.result.subset
    if not TASKS[entry.task].item_metrics or TASKS[entry.task].data == "chat":
        return  # the page shows items that are right or wrong; the prompts of free answers have the instructions
    if TASKS[entry.task].data == "retrieval":
        pool, langs = str(run.get("pool", "usual")), run.get("pool_langs")
        key = f"retrieval {dataset} {name} {pool} {langs or ''}".rstrip()
        asked = str(langs).split() if langs else None
        yield key, spec if isinstance(spec, str) else partial(_judged, spec, name, where, pool, asked)
        return
    if TASKS[entry.task].pairs:
        src, tgt = run.get("src_lang"), run.get("tgt_lang")
        if isinstance(src, str) and isinstance(tgt, str):
            yield f"bitext {dataset} {name}", spec if isinstance(spec, str) else partial(_pair, spec, src, tgt, where)
        return
    legacy = bool(run.get("legacy"))
    more = (" legacy" if legacy else "") + (f" seed {entry.result.seed}" if is_own(entry) else "")
    train = str(run.get("train_lang") or name)
    tested, has_kind = str(run.get("split", "test")), "answer_kind" in run
    apart = f" without {name}" if has_kind and train != name else ""  # what is tested is no demonstration
    apart += f" beside {tested}" if has_kind and tested != "test" else ""  # of which the pool may be a part
    for lang, split, is_pool in ((name, tested, False), (train, "train", True)):
        key = f"labelled {dataset} {lang} {split}{apart if is_pool else ''}{more}"
        if isinstance(spec, str):
            yield key, spec
        elif has_items(spec):
            yield key, _of_items(spec, run, name, lang if is_pool else None, where)
        else:
            yield key, partial(_labelled, spec, lang, split, where, legacy)


def _of_items(
    spec: DatasetSpec, run: Mapping[str, Any], lang: str, pool_lang: str | None, where: Sources
) -> Load | str:
    """Return the loader of the items of a language that were tested, or of those that demonstrations were taken from.

    pool_lang: the language of the demonstrations; None for the tested items.
    """
    if run.get("prompt_lang"):
        return f"the questions were asked in {run['prompt_lang']}: the prompts have them"
    if pool_lang and (run.get("mined") or run.get("demonstrations_file")):
        return "the demonstrations are no training texts: the prompts have them"
    return partial(
        _items, spec, run.get("src_lang"), run.get("tgt_lang"), lang, pool_lang, str(run.get("split", "test")), where
    )


def _items(
    spec: DatasetSpec, src: str | None, tgt: str | None, lang: str, pool_lang: str | None, split: str, where: Sources
) -> Texts:
    from utils.data.answer_items import with_pairs
    from utils.data.items import JOIN, answer_kind, load_items, load_pool
    from utils.data.train_test import not_tested

    if tgt is not None:
        spec = with_pairs(spec, src, [tgt])
    if pool_lang is None:
        found = load_items(spec, lang, split, where)
    else:
        found = load_pool(spec, pool_lang, split, where)
        found = found if pool_lang == lang else not_tested(found, load_items(spec, lang, split, where))
    texts = found.texts
    if answer_kind(spec) != "text":  # of a translation, the other fields are names of languages
        pairs = zip(texts, found.items, strict=True)
        texts = tuple(JOIN.join([text, *_not_encoded(item, spec)]) for text, item in pairs)
    choices = [list(item.choices) for item in found.items]
    return {
        "texts": list(texts),
        "labels": [*map(_answer_of, found.items)],
        **({"choices": choices} if any(choices) else {}),
    }


def _not_encoded(item: Item, spec: DatasetSpec) -> list[str]:
    """Return the fields of an item that are no part of its text for retrieval."""
    encoded = spec.options.get("encoded", tuple(item.fields))
    return [value for name, value in item.fields.items() if name not in encoded]


def _answer_of(item: Item) -> str:
    """Return the right answer of an item: a label, the text of an option, or the references of a written one."""
    if item.choices:
        return item.choices[int(item.answer) - 1]
    return " / ".join(item.references) or item.answer


def _pair(spec: DatasetSpec, src: str, tgt: str, where: Sources) -> Texts:
    from utils.data.bitext import load_bitext

    subset = load_bitext(spec, src, tgt, where)
    return {"sources": list(subset.sources), "targets": list(subset.targets)}


def _judged(spec: DatasetSpec, name: str, where: Sources, pool: str, langs: list[str] | None) -> Texts:
    from utils.data.judged import load_judged

    data = load_judged(spec, name, where, pool=pool, langs=langs)
    return {"sources": list(data.queries.texts), "targets": list(data.passages.texts)}


def _labelled(spec: DatasetSpec, lang: str, split: str, where: Sources, legacy: bool) -> Texts:
    from utils.data.classification import load_labeled

    texts = load_labeled(spec, lang, split, where, legacy=legacy)
    return {"texts": list(texts.texts), "labels": list(texts.labels)}
