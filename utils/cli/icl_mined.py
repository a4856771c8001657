"""Demonstrations of translations that are mined without parallel text: by the run, or read from a file of mine.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.data.tables import is_blank, read_table
from utils.data.text_files import read_lines
from utils.errors import UserError, note

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.settings.icl import IclSettings

AUTO = "auto"
THRESHOLD = 1.02  # of the ratio margin, above which pairs that the run mines are kept
Pair = tuple[str, str]


def mined_demonstrations(
    run: Run, settings: IclSettings, data: TrainTest, file: Path | None
) -> tuple[TrainTest, dict[str, Any]]:
    """Return the items with mined pairs in place of the training pairs, and what a record states of them.

    file: of mine.py; None to mine between the two sides of the training texts. The alignment of these is used for the
    precision alone. Raises UserError where no pair is left.
    """
    pairs, about = _read(file, settings, data) if file else _mined(run, settings, data)
    if not pairs:
        raise UserError(
            f"{run.dataset.name} {data.lang}: no mined pair is left", "lower --mined_threshold, or give another --mined"
        )
    example = data.train.items[0]
    items = tuple(
        replace(example, fields={**example.fields, "source": source}, answer=target, references=(target,))
        for source, target in pairs
    )
    train = replace(
        data.train,
        texts=tuple(source for source, _ in pairs),
        labels=tuple(target for _, target in pairs),
        ids=(),
        items=items,
        taken_from=f"mined: {file.name}" if file else "mined from both sides of the training texts, not aligned",
    )
    precision = about["precision"]
    told = "" if precision is None else f", {100 * precision:.1f} % of them right"
    note(f"{run.dataset.name} {data.lang}: demonstrations of {about['pairs']:,} mined pairs{told}")
    return replace(data, train=train), about


def _mined(run: Run, settings: IclSettings, data: TrainTest) -> tuple[list[Pair], dict[str, Any]]:
    """Mine between the sources and the targets of the training texts."""
    from utils.cli.other_kinds import require_dense
    from utils.mining.neighbours import SearchPlace
    from utils.mining.row_store import LazyEncoder
    from utils.mining.translations import mine_translations

    specs = [encoder.spec for encoder in run.ensemble.encoders]
    if len(specs) != 1 or specs[0].fitted:
        raise UserError(
            "--mined auto with an ensemble or a fitted encoder", "give one --model_checkpoint, or --mined FILE"
        )
    require_dense(specs, "mining", "such as intfloat/multilingual-e5-base")
    root, device = run.sources.cache_dir / "mining", run.device
    sources, targets = list(data.train.texts), [item.answer for item in data.train.items]
    threshold = THRESHOLD if settings.mined_threshold is None else settings.mined_threshold
    found = mine_translations(
        sources,
        targets,
        threshold,
        settings.seed,
        LazyEncoder(specs[0], device, run.sources.cache_dir),
        SearchPlace(device, None, root),
    )
    return [(sources[source], targets[target]) for source, target, _ in found.pairs], found.about


def _read(file: Path, settings: IclSettings, data: TrainTest) -> tuple[list[Pair], dict[str, Any]]:
    """Read the pairs of a file, with a score each, as mine.py writes them."""
    threshold = settings.mined_threshold
    rows = [row for row in rows_of(file) if threshold is None or row[0] >= threshold]
    pairs = list(dict.fromkeys((source, target) for _, source, target in rows))
    known: dict[str, set[str]] = {}
    for item in data.train.items:
        known.setdefault(item.fields["source"], set()).add(item.answer)
    checked = [target in known[source] for source, target in pairs if source in known]
    about = {"file": file.name, "pairs": len(pairs), "checked": len(checked), "right": sum(checked)}
    return pairs, {**about, "precision": sum(checked) / len(checked) if checked else None, "threshold": threshold}


def rows_of(file: Path) -> list[tuple[float, str, str]]:
    """Return the scores, sources and targets of a file of pairs: lines with tabs, or a table with these columns.

    Raises UserError for a file that has others.
    """
    if file.suffix.lower() in (".jsonl", ".parquet"):
        table = read_table(file)
        if lacking := [name for name in ("score", "source", "target") if name not in table]:
            raise UserError(f"--mined {file} has no column {lacking[0]!r}", "give a file that mine.py wrote")
        columns: Sequence[Sequence[Any]] = [table[name] for name in ("score", "source", "target")]
        found = list(zip(*columns, strict=True))
    else:
        found = [tuple(line.split("\t")) for line in read_lines(file)]
    rows = list[tuple[float, str, str]]()
    for number, row in enumerate(found, start=1):
        try:
            score, source, target = row
            rows.append((float(score), str(source).strip(), str(target).strip()))
        except (TypeError, ValueError) as error:
            hint = "each row has a score, a source and a target, as mine.py writes them"
            raise UserError(f"--mined {file}: row {number} is no pair", hint) from error
        if is_blank(source) or is_blank(target):
            raise UserError(f"--mined {file}: a text of row {number} is empty", "remove the row")
    return rows
