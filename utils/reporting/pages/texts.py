"""Pack the texts of the items that a page shows, where they are on this machine: shipped, or in a mirror."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from utils.data.sources import Sources, planned_origin
from utils.errors import UserError
from utils.reporting.pages.leaderboards import Entry
from utils.reporting.pages.parts import Packer, Ref
from utils.reporting.tables.build import Kind
from utils.schema import DatasetSpec
from utils.tasks import TASKS

Load = Callable[[], dict[str, list[str]]]


def pack_texts(
    entries: Sequence[Entry], parts: list[str], budget: float, where: Sources, warn: Callable[[str], None]
) -> dict[str, Ref]:
    """Return the places of the texts of these records, by task, data set, subset and split; nothing is downloaded.

    Texts that exceed `budget` bytes are left out, with a warning.
    """
    packer, refs = Packer(parts, budget), dict[str, Ref]()
    tried: set[str] = set()
    for entry in entries:
        spec = Kind(entry.task).dataset(entry.result.dataset)
        if spec is None or not _is_local(spec, entry, where):
            continue
        for key, load in _wanted(spec, entry, where):
            if key in tried or packer.full:
                continue
            tried.add(key)
            try:
                refs[key] = packer.add(json.dumps(load(), ensure_ascii=False).encode(errors="backslashreplace"))
            except (UserError, KeyError, OSError) as error:  # a KeyError: the set does not have the language
                warn(f"no texts of {key}: {error}")
    packer.flush()
    there = {key: ref for key, ref in refs.items() if ref[0] < len(parts)}
    if len(there) < len(refs):
        warn(f"{len(refs) - len(there)} lists of texts have no room in --max_mb and are left out")
    return there


def _is_local(spec: DatasetSpec, entry: Entry, where: Sources) -> bool:
    """Return whether the texts that a record was computed from are on this machine, at the same revision."""
    if spec.kind != "shipped" and (where.data_dir is None or not (where.data_dir / spec.source).is_dir()):
        return False
    there = planned_origin(spec, where)
    source = entry.result.run.get("source")
    return isinstance(source, dict) and all(source.get(name) == there[name] for name in ("source", "revision"))


def _wanted(spec: DatasetSpec, entry: Entry, where: Sources) -> Iterator[tuple[str, Load]]:
    """Yield the key and the loader of each list of texts that a record's items refer to."""
    run, name = entry.result.run, entry.result.subset
    if TASKS[entry.task].pairs:
        src, tgt = run.get("src_lang"), run.get("tgt_lang")
        if isinstance(src, str) and isinstance(tgt, str):
            yield f"bitext {spec.name} {name}", partial(_pair, spec, src, tgt, where)
        return
    legacy = bool(run.get("legacy"))
    for lang, split in ((name, str(run.get("split", "test"))), (str(run.get("train_lang") or name), "train")):
        key = f"labelled {spec.name} {lang} {split}" + (" legacy" if legacy else "")
        yield key, partial(_labelled, spec, lang, split, where, legacy)


def _pair(spec: DatasetSpec, src: str, tgt: str, where: Sources) -> dict[str, list[str]]:
    from utils.data.bitext import load_bitext

    subset = load_bitext(spec, src, tgt, where)
    return {"sources": list(subset.sources), "targets": list(subset.targets)}


def _labelled(spec: DatasetSpec, lang: str, split: str, where: Sources, legacy: bool) -> dict[str, list[str]]:
    from utils.data.classification import load_labeled

    texts = load_labeled(spec, lang, split, where, legacy=legacy)
    return {"texts": list(texts.texts), "labels": list(texts.labels)}
