"""mine.py --mode bitext: from the arguments to a mining, and what it prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.api.limiter import Budget
from utils.cli.choices import api_options, chosen_device, chosen_encoders, neighbours_of_margin
from utils.cli.mine_arguments import default_output
from utils.cli.open_run import check_api_flags, chosen_sources, resolve_encoders
from utils.cli.other_kinds import require_dense
from utils.errors import UserError
from utils.mining.bitext import MinedBitext, mine
from utils.mining.cleaning import Cleaning, check_language
from utils.mining.collections import Collection, find_files
from utils.mining.manifest import check_output, identity_of, write_manifest
from utils.mining.neighbours import SearchPlace
from utils.mining.row_store import LazyEncoder
from utils.mining.sample import sample_collections
from utils.mining.settings import NO_MARGIN_K, BitextJob, BitextSettings
from utils.records.provenance import public_argument

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport

Draw = Callable[["GoldReport", Path], "list[Path]"]


def run_bitext(args: argparse.Namespace, draw: Draw) -> None:
    """Mine bitext by the arguments, and print what was found; `draw` draws the curve of known pairs.

    Raises UserError for mistakes of the user.
    """
    root = args.store or args.cache_dir / "mining"
    job, encoder = make_job(args, root), chosen_encoder(args)
    place = SearchPlace(encoder.device, "plain" if args.exact_float32 else None, root)
    identity = identity_of(job, encoder.spec)
    if args.dry_run:
        from utils.mining.plan import plan

        print(plan(job, encoder, place))
        return
    check_output(job, identity, overwrite=args.overwrite)
    mined = mine(job, encoder, place, print)
    arguments = {name: public_argument(value) for name, value in vars(args).items()}
    write_manifest(job, identity, mined, arguments)
    show(job, mined, draw)


def make_job(args: argparse.Namespace, root: Path) -> BitextJob:
    """Return the mining of a command line. Raises UserError for flags that exclude each other, and missing files."""
    if args.threshold is not None and args.top is not None:
        raise UserError("--threshold and --top are both given", "use one of them")
    if args.one_to_one and args.direction in ("intersection", "union"):
        raise UserError(f"--one_to_one with --direction {args.direction}", "its pairs are one-to-one: leave it out")
    if args.max_chars is not None and args.max_chars < args.min_chars:
        raise UserError(f"--min_chars {args.min_chars} --max_chars {args.max_chars}", "no text is as long as that")
    source, target, gold = _collections(args, root)
    codes = args.language_id or (None, None)
    for code in codes:
        check_language(code)
    cleaning = [Cleaning(args.min_chars, args.max_chars, code, args.duplicates) for code in codes]
    kind = args.format or {".jsonl": "jsonl", ".parquet": "parquet"}.get(
        args.output.suffix if args.output else "", "tsv"
    )
    names = ("margin", "direction", "one_to_one", "threshold", "top", "store_dtype", "shard_size", "seed")
    margin_k = neighbours_of_margin(args.margin, args.margin_k) or NO_MARGIN_K
    settings = BitextSettings(margin_k=margin_k, **{name: getattr(args, name) for name in names})
    output = args.output or default_output(source.files[0], target.files[0], kind)
    return BitextJob(source, target, (cleaning[0], cleaning[1]), gold, output, kind, settings)


def _collections(args: argparse.Namespace, root: Path) -> tuple[Collection, Collection, Path | None]:
    """Return both collections and the file of known pairs: those of the arguments, or of the sample set."""
    given = (args.source, args.target)
    if any(given) and not all(given):
        missing = "--target" if args.source else "--source"
        raise UserError(f"{missing} is missing", "bitext is mined from two collections")
    if not any(given):
        *sides, gold = sample_collections(root)
        return Collection("source", (sides[0],)), Collection("target", (sides[1],)), args.gold or gold
    texts, ids = (_two(getattr(args, name), name) for name in ("text_column", "id_column"))
    source, target = (
        Collection(name, find_files(patterns, name), text, key)
        for name, patterns, text, key in zip(("source", "target"), given, texts, ids, strict=True)
    )
    return source, target, args.gold


def _two(columns: Sequence[str] | None, flag: str) -> Sequence[str | None]:
    """Return the column of each side."""
    if columns and len(columns) > 2:
        raise UserError(f"--{flag} has {len(columns)} values", "give one for both sides, or one each")
    return (None, None) if not columns else (columns[0], columns[-1])


def chosen_encoder(args: argparse.Namespace) -> LazyEncoder:
    """Return the encoder of a command line. Raises UserError for one that cannot encode texts by themselves."""
    if args.model_checkpoints:
        raise UserError("--model_checkpoints with mine.py", "it mines with one encoder: --model_checkpoint NAME")
    if args.embedding_precision != "float32":
        raise UserError(
            f"--embedding_precision {args.embedding_precision} with mine.py", "its vectors are stored by --store_dtype"
        )
    device, sources = chosen_device(args), chosen_sources(args)
    (spec,) = resolve_encoders(args, chosen_encoders(args), sources)
    check_api_flags(args, [spec], None)
    require_dense([spec], "mining", "such as intfloat/multilingual-e5-base")
    if spec.fitted:
        raise UserError(
            f"mining with {spec.name}", "it is fitted on each pool of texts: choose an encoder with a model"
        )
    return LazyEncoder(spec, device, args.cache_dir, (api_options(args), Budget(args.max_cost)))


def show(job: BitextJob, mined: MinedBitext, draw: Draw) -> None:
    """Print how many pairs were found and where they are; with known pairs also the figures and their curve."""
    from tabulate import tabulate

    print(f"{len(mined.pairs):,} pairs: {job.output}")
    if mined.gold is not None:
        report = mined.gold
        rows: list[list[Any]] = [
            [name, one.threshold, one.precision, one.recall, one.f1, one.pairs]
            for name, one in (
                ("all sources, best threshold", report.best),
                ("one half, threshold chosen here", report.chosen),
                ("other half, at this threshold", report.measured),
            )
        ]
        headers = [f"{report.n_gold:,} known pairs", "threshold", "precision", "recall", "f1", "pairs"]
        formats = ("", ".4f", ".2f", ".2f", ".2f", ",")
        print(tabulate(rows, headers, floatfmt=formats, intfmt=formats))
        if report.n_dropped:
            print(f"cleaning dropped a text of {report.n_dropped:,} known pairs, which count as missed")
        if report.curve:
            print(f"curve: {', '.join(map(str, draw(report, job.output)))}")
    print(f"manifest: {job.manifest}")
