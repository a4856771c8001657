"""The command line of mine.py: the collections, their cleaning, the search and the output."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from utils.cli.arguments import ListAction, add_place_args
from utils.cli.types import name_or_path, natural, path, positive, seed, text
from utils.cluster.joining import OWN
from utils.constants import DEFAULT_SEED
from utils.data.text_files import inner_name
from utils.errors import UserError
from utils.mining.choosing import SAMPLINGS
from utils.mining.cleaning import DEDUPLICATIONS
from utils.mining.collections import KNOWN, Collection
from utils.mining.ivf import NPROBE
from utils.mining.margins import MINED_MARGINS
from utils.mining.output import FORMATS
from utils.mining.pairing import MINED_DIRECTIONS
from utils.mining.row_store import SHARD, STORE_DTYPES

MOST_RANKS = 1000
PAIRING = ("target", "margin", "margin_k", "direction", "one_to_one", "threshold", "top", "gold")
ROWS = (
    *("group_column", "pos_ranks", "neg_ranks", "pos_min", "pos_max", "neg_min", "neg_max", "pos_percentile"),
    *("neg_percentile", "relative_margin", "absolute_margin", "max_pos", "max_neg", "sampling", "with_scores"),
)
MODES: dict[str, tuple[str, ...]] = {  # the flags that not every mode has
    "bitext": PAIRING,
    "pairs": ROWS,
    "words": (*PAIRING, "max_words", "word_lists"),
}
USUAL = {"bitext": ("ratio", "union"), "words": ("csls", "intersection")}  # margin and direction


def add_collection_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the collections and their cleaning."""
    group = parser.add_argument_group("collections (default: two languages of the sample set)")
    meaning = "files, folders or patterns: .txt, .tsv, .csv, .jsonl (also .gz, .zst, .xz, .bz2), .parquet"
    for side in ("source", "target"):
        group.add_argument(f"--{side}", nargs="+", type=name_or_path, metavar="PATH", help=meaning)
    two = "one for both sides or one each; a number counts the fields of lines without a header"
    group.add_argument("--text_column", nargs="+", metavar="COLUMN", help=f"column of the texts: {two} (default: text)")
    group.add_argument(
        "--id_column", nargs="+", metavar="COLUMN", help="column of the ids (default: id, or the number of the text)"
    )
    group = parser.add_argument_group("cleaning")
    group.add_argument("--min_chars", type=positive, default=1, metavar="N", help="drop shorter texts")
    group.add_argument("--max_chars", type=positive, metavar="N", help="drop longer texts")
    group.add_argument(
        "--duplicates",
        choices=DEDUPLICATIONS,
        default="exact",
        help="drop all but the first of exact duplicates, or of near ones, which differ in case, punctuation, digits "
        "and blanks (default: %(default)s)",
    )
    group.add_argument(
        "--language_id",
        nargs="+",
        metavar="CODE",
        help="codes of pycld2, such as en de: drop texts that are surely in another language than their side's",
    )


def add_mode_args(parser: argparse.ArgumentParser) -> None:
    """Add the choice of what is mined."""
    meaning = "pairs of sentences or of words of two collections, or training rows of one"
    parser.add_argument("--mode", choices=tuple(MODES), default="bitext", help=f"{meaning} (default: %(default)s)")


def add_pairs_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for positives and negatives."""
    group = parser.add_argument_group("positives and negatives (--mode pairs)")
    group.add_argument(
        "--group_column",
        type=text,
        metavar="COLUMN",
        help="texts with the same value mean the same, such as translations: positives of each other, never negatives",
    )
    group.add_argument("--pos_ranks", type=ranks, metavar="A-B", help="positives: neighbours of these ranks, from 1")
    group.add_argument("--neg_ranks", type=ranks, metavar="A-B", help="negatives (default: 10-100, or 1-100 below)")
    for side, name in (("pos", "positives"), ("neg", "negatives")):
        group.add_argument(f"--{side}_min", type=finite, metavar="COSINE", help=f"least cosine of {name}")
        group.add_argument(f"--{side}_max", type=finite, metavar="COSINE", help=f"greatest cosine of {name}")
    meaning = "a percentile of the cosines of all neighbours, as --pos_min or as --neg_max"
    for side in ("pos", "neg"):
        group.add_argument(f"--{side}_percentile", type=percentile, metavar="P", help=meaning)
    lowest = "a negative's cosine is below the lowest of its positives by at least this"
    group.add_argument("--relative_margin", type=share, metavar="SHARE", help=f"{lowest} share, such as 0.05")
    group.add_argument("--absolute_margin", type=distance, metavar="COSINE", help=f"{lowest} much")
    group.add_argument("--max_pos", type=positive, default=5, metavar="N", help="of a row (default: %(default)s)")
    group.add_argument("--max_neg", type=natural, default=7, metavar="N", help="of a row (default: %(default)s)")
    group.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        default="top",
        help="which ones are kept where there are more: the nearest, or random ones (default: %(default)s)",
    )
    group.add_argument("--with_scores", action="store_true", help="write the cosines as pos_scores and neg_scores too")


def add_words_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for word lists."""
    group = parser.add_argument_group("words (--mode words)")
    group.add_argument(
        "--max_words",
        type=positive,
        default=20_000,
        metavar="N",
        help="the most frequent words of each side (default: %(default)s)",
    )
    group.add_argument("--word_lists", action="store_true", help="the texts are lists with a word in each line")


def check_flags(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Fill in the defaults of a mode. Raises UserError for a flag of another mode."""
    for mode, names in MODES.items():
        for name in names if mode != args.mode else ():
            if name not in MODES[args.mode] and getattr(args, name) != parser.get_default(name):
                modes = " and ".join(f"--mode {other}" for other, has in MODES.items() if name in has)
                raise UserError(f"--{name} with --mode {args.mode}", f"it is for {modes}")
    margin, direction = USUAL.get(args.mode, (None, None))
    args.margin, args.direction = args.margin or margin, args.direction or direction


def add_mining_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for the search and for which pairs are kept."""
    group = parser.add_argument_group("search")
    group.add_argument(
        "--exact_float32",
        action="store_true",
        help="scan in float32 instead of the fastest precision; the results are the same",
    )
    group = parser.add_argument_group("pairs (--mode bitext and words)")
    group.add_argument("--margin", choices=MINED_MARGINS, help="(default: ratio; words: csls)")
    group.add_argument("--margin_k", type=positive, metavar="K", help="neighbours in the margin (default: 4; csls 10)")
    group.add_argument(
        "--direction",
        choices=MINED_DIRECTIONS,
        help="best target of each source, best source of each target, pairs that are both, or either with each text "
        "used once (default: union; words: intersection)",
    )
    group.add_argument(
        "--one_to_one", action="store_true", help="forward and backward: use each text only once as well"
    )
    group.add_argument("--threshold", type=finite, metavar="SCORE", help="keep the pairs with at least this score")
    group.add_argument("--top", type=positive, metavar="N", help="keep the N best pairs")
    group.add_argument(
        "--gold", type=path, metavar="FILE", help="known pairs of ids: precision, recall and F1; words: a dictionary"
    )


def add_scale_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for collections that are too large for one machine, or for an exact search."""
    group = parser.add_argument_group("scale")
    group.add_argument(
        "--ray",
        nargs="?",
        const=OWN,
        metavar="ADDRESS",
        help="encode and search on all nodes of this Ray cluster; without ADDRESS one is started on this machine. "
        "--store must be a folder that all nodes share",
    )
    group.add_argument(
        "--index",
        choices=("exact", "ivf"),
        default="exact",
        help="how neighbours are searched: all of them, or approximately by an inverted file of faiss, whose recall is "
        "measured (default: %(default)s)",
    )
    group.add_argument(
        "--nprobe", type=positive, metavar="N", help=f"lists of the index that a text reads (default: {NPROBE})"
    )


def add_store_args(parser: argparse.ArgumentParser) -> None:
    """Add the flags for places, the output and the dry run."""
    add_place_args(parser, mirror=False)
    group = parser.add_argument_group("store and output")
    group.add_argument(
        "--store", type=path, metavar="FOLDER", help="texts, vectors and neighbours (default: mining in the cache)"
    )
    group.add_argument(
        "--store_dtype", choices=STORE_DTYPES, default="float16", help="type of stored vectors (default: %(default)s)"
    )
    group.add_argument(
        "--shard_size", type=positive, default=SHARD, metavar="N", help="texts of a shard (default: %(default)s)"
    )
    group.add_argument(
        "--output",
        type=path,
        metavar="FILE",
        help="what is mined; the ending .tsv, .jsonl or .parquet decides the format "
        "(default: mined/SOURCE_TARGET.FORMAT)",
    )
    group.add_argument(
        "--format",
        choices=FORMATS,
        help="tsv: score, source, target; jsonl and parquet: ids too (default: that of --output, or tsv; pairs: jsonl)",
    )
    group.add_argument(
        "--seed",
        type=seed,
        default=DEFAULT_SEED,
        metavar="N",
        help="of --gold's halves, of draws (default: %(default)s)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace the pairs of another mining")
    group.add_argument(
        "--dry_run", action="store_true", help="show texts, time, disk and memory, estimated from a short trial"
    )
    group.add_argument("--list", action=ListAction, nargs=0, dest=argparse.SUPPRESS, help="list the encoders, and exit")
    group.add_argument("--verbose", action="store_true", help="show the traceback of an error")


def finite(value: str) -> float:
    """Parse a number that is neither NaN nor infinite."""
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not abs(number) < float("inf"):
        raise argparse.ArgumentTypeError(f"{value!r} is not a number")
    return number


def percentile(value: str) -> float:
    """Parse a number from 0 to 100."""
    return _up_to(value, 100)


def share(value: str) -> float:
    """Parse a number from 0 to 1."""
    return _up_to(value, 1)


def distance(value: str) -> float:
    """Parse a difference of cosines, from 0 to 2."""
    return _up_to(value, 2)


def _up_to(value: str, high: int) -> float:
    number = finite(value)
    if not 0 <= number <= high:
        raise argparse.ArgumentTypeError(f"{value!r} is not from 0 to {high}")
    return number


def ranks(value: str) -> list[int]:
    """Parse the first and the last rank, such as 1-5; a single number is both."""
    found = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", value.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= last <= MOST_RANKS:
        raise argparse.ArgumentTypeError(f"{value!r} is not a range of ranks from 1 to {MOST_RANKS:,}, such as 1-5")
    return [first, last]


def default_output(collections: Sequence[Collection], kind: str, what: str = "") -> Path:
    """Return the path of what is mined from collections, by the names of their first files, or of their folders."""
    return Path("mined") / f"{'_'.join(_names_of([one.files[0] for one in collections]))}.{what}{kind}"


def _names_of(files: Sequence[Path]) -> list[str]:
    """Return what tells files apart: their names without the endings of formats, or else the names of their folders."""
    inner = [Path(inner_name(file)) for file in files]
    names = [name.stem if name.suffix.lower() in KNOWN else name.name for name in inner]
    folders = zip(*([parent.name for parent in file.absolute().parents] for file in files), strict=False)
    differing = (list(some) for some in folders if all(some) and len(set(some)) == len(some))
    return names if len(set(names)) == len(names) else next(differing, names)
