"""mine.py: what all modes share, from the arguments to the encoder, the collections, the manifest and the dry run."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from utils.api.limiter import Budget
from utils.cli.api_flags import check_api_flags
from utils.cli.choices import api_options, chosen_device, chosen_encoders
from utils.cli.mine_place import as_json, chosen_index, opened_place, told_index
from utils.cli.open_run import resolve_encoders
from utils.cli.other_kinds import require_dense
from utils.data.language_id import check_language
from utils.data.sources import Sources
from utils.errors import UserError, counted
from utils.mining.cleaning import Cleaning
from utils.mining.collections import Collection, find_files
from utils.mining.manifest import check_output, identity_of, write_manifest
from utils.mining.output import FORMATS
from utils.mining.row_store import LazyEncoder
from utils.mining.settings import Mined, MiningJob
from utils.records.provenance import public_argument

if TYPE_CHECKING:
    from utils.mining.gold import GoldReport
    from utils.mining.neighbours import SearchPlace
    from utils.mining.pairs import MinedRows

NOT_WRITTEN = ("csv", "json", "gz", "zst", "xz", "bz2")  # endings of files that are read
Draw = Callable[["GoldReport | MinedRows", Path], "list[Path]"]
J = TypeVar("J", bound=MiningJob[Any])
M = TypeVar("M", bound=Mined)
RAY_PLAN = (
    "these times are of this machine alone, and no cluster was asked: with --ray, encoding, the searches and filling "
    "an index are divided among the workers, the rest is not"
)


@dataclass(frozen=True)
class Mode(Generic[J, M]):
    """What a mode does: its job from the arguments and the store, the mining, the dry run, and what it prints last."""

    make_job: Callable[[argparse.Namespace, Path], J]
    mine: Callable[[J, LazyEncoder, SearchPlace, Callable[[str], object]], M]
    plan: Callable[[J, LazyEncoder, SearchPlace], str]
    show: Callable[[J, M, Draw], None]


def run_mode(mode: Mode[J, M], args: argparse.Namespace, draw: Draw) -> None:
    """Mine by the arguments, and print what was found; `draw` draws its figure. Raises UserError for mistakes."""
    root = args.store or args.cache_dir / "mining"
    job, encoder = mode.make_job(args, root), chosen_encoder(args)
    index = chosen_index(args)
    identity = {**identity_of(job, encoder.spec), **({"index": dataclasses.asdict(index)} if index else {})}
    if args.dry_run:
        with opened_place(args, encoder, root) as place:
            print(mode.plan(job, encoder, place))
        if args.ray is not None:
            print(RAY_PLAN)
        return
    check_output(job, identity, overwrite=args.overwrite)
    with opened_place(args, encoder, root) as place:
        mined = mode.mine(job, encoder, place, print)
    arguments = {name: public_argument(value) for name, value in vars(args).items()}
    write_manifest(job, identity, mined, arguments, as_json(place))
    for line in told_index(place):
        print(line)
    mode.show(job, mined, draw)
    print(f"manifest: {job.manifest}")


def chosen_cleaning(args: argparse.Namespace, n: int) -> tuple[Cleaning, ...]:
    """Return the cleaning of each of n collections. Raises UserError for lengths and languages that do not fit."""
    if args.max_chars is not None and args.max_chars < args.min_chars:
        raise UserError(f"--min_chars {args.min_chars} --max_chars {args.max_chars}", "no text is as long as that")
    codes = args.language_id or [None] * n
    if len(codes) != n:
        what = f"--language_id has {counted(len(codes), 'code')}"
        raise UserError(what, f"give {counted(n, 'code')} to --mode {args.mode}, one for each collection")
    for code in codes:
        check_language(code)
    return tuple(Cleaning(args.min_chars, args.max_chars, code, args.duplicates) for code in codes)


def chosen_collections(args: argparse.Namespace, sides: Sequence[str]) -> tuple[Collection, ...]:
    """Return the collections of the arguments that have these names. Raises UserError for files that are not there."""
    texts, ids = (_columns(getattr(args, name), name, len(sides)) for name in ("text_column", "id_column"))
    return tuple(
        Collection(name, find_files(getattr(args, name), name), text, key)
        for name, text, key in zip(sides, texts, ids, strict=True)
    )


def _columns(columns: Sequence[str] | None, flag: str, n: int) -> Sequence[str | None]:
    """Return the column of each of n collections."""
    if columns and len(columns) > n:
        hint = "give one for both sides, or one each" if n == 2 else "give one"
        raise UserError(f"--{flag} has {len(columns)} values", hint)
    return [None] * n if not columns else [columns[0], *[columns[-1]] * (n - 1)]


def chosen_format(args: argparse.Namespace, usual: str) -> str:
    """Return the format of the output: that of the ending of the output, of the flag, or the usual one.

    Raises UserError where the ending tells another format than the flag, or one that is not written.
    """
    ending = args.output.suffix.lower().lstrip(".") if args.output else ""
    if ending in NOT_WRITTEN:
        raise UserError(f"--output {args.output}: no .{ending} is written", f"end it in .{', .'.join(FORMATS)}")
    if ending not in FORMATS:
        return str(args.format or usual)
    if args.format not in (None, ending):
        what = f"--format {args.format} with --output {args.output}"
        raise UserError(what, f"end the output in .{args.format}, or leave out --format")
    return ending


def chosen_encoder(args: argparse.Namespace) -> LazyEncoder:
    """Return the encoder of a command line. Raises UserError for one that cannot encode texts by themselves."""
    if args.model_checkpoints:
        raise UserError("--model_checkpoints with mine.py", "it mines with one encoder: --model_checkpoint NAME")
    if args.embedding_precision != "float32":
        raise UserError(
            f"--embedding_precision {args.embedding_precision} with mine.py", "its vectors are stored by --store_dtype"
        )
    device = chosen_device(args)
    (spec,) = resolve_encoders(args, chosen_encoders(args), Sources(None, args.cache_dir))
    check_api_flags(args, [spec], None)
    require_dense([spec], "mining", "such as intfloat/multilingual-e5-base")
    if spec.fitted:
        raise UserError(
            f"mining with {spec.name}", "it is fitted on each pool of texts: choose an encoder with a model"
        )
    return LazyEncoder(spec, device, args.cache_dir, (api_options(args), Budget(args.max_cost)))
