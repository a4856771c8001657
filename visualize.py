#!/usr/bin/env python3
"""Pictures of embeddings: texts as points of a plane, coloured by class, language, family, script or translation.

python visualize.py                                        the sample set, embedded encoder, t-SNE, every colour
python visualize.py --dataset nusax --method pca           a set of MINERS, its principal components
python visualize.py --dataset bucc --langs zh --limit 500  both sides of 500 pairs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.arguments import Parser, add_data_args, add_run_args
from utils.cli.choices import build_settings
from utils.cli.main import run as run_script
from utils.cli.model_arguments import add_api_args, add_encoder_args
from utils.cli.plan import Plan
from utils.cli.types import positive, positive_number
from utils.constants import DATA_KINDS, DEFAULT_SEED, MAX_POINTS
from utils.data.points import FIELDS
from utils.errors import UserError, counted
from utils.layers.projection import METHODS, NAMES, check_umap
from utils.reporting.figures import FORMATS

if TYPE_CHECKING:
    from utils.cli.run import Run
    from utils.data.points import Points
    from utils.reporting.maps.picture_settings import PictureSettings
    from utils.schema import DatasetSpec

KEPT = "embeddings are kept; run the same command again to continue"  # what an interruption leaves
SPLITS = ("train", "validation", "test")
SLOW = 5000  # points from which t-SNE is announced
MEANINGS = {
    "dataset": "a name that --list shows, a labelled file, a file or folder of pairs",
    "src_lang": "pairs: source language (default: the dataset's pivot, or all of its pairs)",
    "langs": "only these languages; of pairs those with one of them on the other side",
    "columns": "own file: TEXT LABEL [LANG [SPLIT]], or the two columns of pairs",
    "limit": "N texts of each language, or pairs of each language pair, drawn by --seed; translations stay together",
}
EXAMPLES = """
python visualize.py
python visualize.py --dataset nusax --color sample --num_color 20 --model_checkpoint intfloat/multilingual-e5-base
python visualize.py --dataset sib200 --limit 50 --color family script --data_dir ~/mirror
python visualize.py --dataset tatoeba --langs jpn deu --method pca --format svg
python visualize.py --dataset reviews.csv --columns text stars --method umap
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = Parser("Pictures of embeddings: texts as points of a plane.", EXAMPLES)
    add_data_args(parser, MEANINGS)
    add_encoder_args(parser, fusion=False)
    add_picture_args(parser)
    add_api_args(parser)
    add_run_args(parser, "figures", "pictures")
    args = parser.parse_args(argv)
    owners = {"perplexity": "tsne", "n_neighbors": "umap"}
    for name, method in owners.items():
        if getattr(args, name) is not None and args.method != method:
            raise UserError(f"--{name} with --method {args.method}", f"it belongs to --method {method}")
    if args.method == "umap":
        check_umap()
    return args


def add_picture_args(parser: argparse.ArgumentParser) -> None:
    """Which texts, projected how, in which colours."""
    group = parser.add_argument_group("picture")
    group.add_argument(
        "--task", choices=DATA_KINDS, help="take the data as labelled texts or as pairs (default: labelled)"
    )
    group.add_argument("--split", choices=SPLITS, default="test", help="of labelled sets (default: %(default)s)")
    group.add_argument("--method", choices=METHODS, default="tsne", help="(default: %(default)s)")
    group.add_argument("--perplexity", type=positive_number, metavar="P", help="t-SNE (default: 30, less for few)")
    group.add_argument("--n_neighbors", type=positive, metavar="N", help="UMAP (default: 15)")
    group.add_argument("--color", nargs="+", choices=FIELDS, help="(default: all that the data have)")
    group.add_argument(
        "--num_color",
        type=positive,
        metavar="N",
        help="so many samples (default: 10), or classes, languages, ... (default: all) have colours, the rest is grey",
    )
    group.add_argument(
        "--max_points",
        type=positive,
        default=MAX_POINTS,
        metavar="N",
        help="of more texts, so many are drawn evenly from the languages (default: %(default)s)",
    )
    group.add_argument("--format", nargs="+", choices=FORMATS, default=["png", "pdf"], help="(default: png pdf)")


def note(message: str) -> None:
    """Say on standard error what the user did not ask for."""
    print(f"note: {message}", file=sys.stderr)


def name_of(settings: PictureSettings, dataset: DatasetSpec) -> str:
    """Return the files' name without an ending: the method, then each departure from the plain settings."""
    from utils.data.registry import DATASETS

    langs = settings.langs or []
    departures = [
        "bitext" if dataset.task == "bitext" and dataset.name in DATASETS["classification"] else "",
        settings.split if settings.split != "test" else "",
        f"from_{settings.src_lang}" if settings.src_lang else "",
        "-".join(langs) if len(langs) <= 4 else f"{len(langs)}_languages",
        f"perplexity{settings.perplexity:g}" if settings.perplexity else "",
        f"neighbors{settings.n_neighbors}" if settings.n_neighbors else "",
        f"limit{settings.limit}" if settings.limit else "",
        f"max{settings.max_points}" if settings.max_points != MAX_POINTS else "",
        f"seed{settings.seed}" if settings.seed != DEFAULT_SEED else "",
    ]
    return "_".join([settings.method, *filter(None, departures)])


def stem_of(run: Run, args: argparse.Namespace, settings: PictureSettings) -> Path:
    """Return the path of a picture's files without an ending, which ends with what departs in the encoder.

    Files of the same settings where earlier versions wrote them, which did not name the encoder's, are continued.
    """
    from utils.records import store
    from utils.records.paths import picture_stem
    from utils.records.variants import place_of
    from utils.tasks import TASKS

    dataset, identity, name = run.dataset, run.store.identity, name_of(settings, run.dataset)
    own = place_of(identity.of(""), dataset.name, TASKS[dataset.task])
    earlier, usual = (picture_stem(args.output_dir, dataset.name, run.model, each) for each in (name, f"{name}_{own}"))
    is_there = store.other_settings(earlier.with_name(f"{earlier.name}.json"), identity.of(name)) == ""
    return earlier if is_there or not own else usual


def load_points(run: Run, settings: PictureSettings) -> Points:
    """Load the texts that are drawn. Raises UserError where they are too few for the method."""
    from utils.data import points
    from utils.layers.projection import check_fewest

    blocks = points.load_blocks(run.dataset, run.sources, settings.langs, settings.src_lang, settings.split)
    found = points.to_points(blocks, settings.limit, settings.max_points, settings.seed, note)
    check_fewest(len(found.texts), settings.method, settings.limit, max(len(block.texts) for block in blocks))
    return found


def compute(run: Run, settings: PictureSettings, stem: Path) -> None:
    """Encode, project and measure, and write coordinates and record."""
    import numpy as np

    from utils.layers.projection import project
    from utils.progress import Clock
    from utils.reporting.maps import coordinates
    from utils.retrieval.neighbour_purity import neighbour_purities

    clock, method = Clock(), settings.method
    points = load_points(run, settings)
    clock.lap("load")
    rows = run.ensemble.vectors(points.texts)
    there = np.flatnonzero(~np.isnan(rows[:, 0]))
    if len(there) < len(rows):
        note(f"{counted(len(rows) - len(there), 'text')} without a vector left out")
        points, rows = points.only(there.tolist()), rows[there]
    clock.lap("encode")
    if method == "tsne" and len(rows) > SLOW:
        note(f"t-SNE of {len(rows):,} texts takes minutes; --max_points {SLOW} is quicker, --method pca at once")
    perplexity, n_neighbors = settings.perplexity, settings.n_neighbors
    found = project(rows, method, settings.seed, perplexity=perplexity, n_neighbors=n_neighbors, note=note)
    clock.lap("project")
    near = neighbour_purities(rows, points.columns(), run.device)
    clock.lap("measure")
    about = {"n": len(rows), "dimensions": rows.shape[1], "not_parallel": points.not_parallel, **found.about}
    record: dict[str, Any] = {**about, "nearest": near, "run": run.provenance(stem.name, clock.laps)}
    coordinates.write(stem, points, found.xy, settings.split, record)


def show_plan(run: Run, settings: PictureSettings, stem: Path) -> None:
    """Print each language's texts and how many are to be encoded; no model is loaded."""
    points = load_points(run, settings)
    plan = Plan(run, ["language", "texts", "to encode"])
    for lang in dict.fromkeys(points.langs):
        texts = [text for text, other in zip(points.texts, points.langs, strict=True) if other == lang]
        plan.rows.append([lang, len(texts), plan.to_encode(texts)])
    plan.show(f"{NAMES[settings.method]}: {stem}.json, .csv, .html, ...")


def main(argv: Sequence[str]) -> None:
    """Run the command line. Raises UserError for mistakes of the user."""
    args = parse(argv)
    from utils.cli.data_choice import chosen_dataset
    from utils.cli.open_run import open_run
    from utils.cli.other_kinds import require_dense
    from utils.records.row_names import name_with_encoder
    from utils.reporting.maps import coordinates, pictures
    from utils.reporting.maps.picture_settings import PictureSettings
    from utils.tasks import TASKS

    settings = build_settings(PictureSettings, args, tag=None)
    dataset = chosen_dataset(args)
    run = open_run(args, dataset, dataset.task, settings, "visualize")
    require_dense([encoder.spec for encoder in run.ensemble.encoders], "pictures", "whose rows are coordinates")
    stem = stem_of(run, args, settings)
    if args.dry_run:
        show_plan(run, settings, stem)
        return
    coordinates.claim(stem)
    identity = run.store.identity.of(stem.name)
    found = coordinates.read(stem, identity, overwrite=args.overwrite)
    if found is None:
        compute(run, settings, stem)
        found = coordinates.read(stem, identity, overwrite=False)
        if found is None:
            raise UserError(f"{stem}.json was replaced by another run", "give the same command again")
    else:
        print(f"coordinates of {stem}.json (--overwrite computes them again)")
    title = f"{dataset.name}, {name_with_encoder(identity, dataset.name, TASKS[dataset.task])}"
    pictures.draw_all(stem, *found, args, title, dataset.pivot, note)


if __name__ == "__main__":
    run_script(main, KEPT)
