"""What the two classification tables share: their flags, and one table or the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.cli import arguments
from utils.errors import UserError
from utils.reporting.tables import select, tables
from utils.schema import SIMILARITIES

BY = ("family", "script", "lang")


def show_table(
    argv: Sequence[str], description: str, examples: str, groups: Mapping[str, Sequence[str]], *, cross: bool
) -> None:
    """Print the table of the logged classification records, by dataset or by the languages of one dataset."""
    parser = arguments.Parser(description, examples)
    tables.add_table_args(parser)
    parser.add_argument("--similarity", choices=SIMILARITIES, default="cosine", help="(default: %(default)s)")
    parser.add_argument("--vote", choices=("majority", "weighted"), default="majority", help="(default: %(default)s)")
    parser.add_argument("--split", choices=("test", "validation"), default="test", help="(default: %(default)s)")
    parser.add_argument("--legacy", action="store_true", help="records made with --legacy")
    if cross:
        select.add_source_arg(parser)
    parser.add_argument("--by", choices=BY, help="means by family, script or language of one --dataset")
    args = parser.parse_args(argv)
    if args.by and len(args.dataset or ()) != 1:
        raise UserError("--by without one data set", "for example --dataset sib200 --by family")
    similarity = "euclidean" if args.legacy else args.similarity
    settings = {"cross": cross, "similarity": similarity, "vote": args.vote, "split": args.split, "legacy": args.legacy}
    results = select.of_datasets(args, tables.select(args, "classification", settings))
    if cross:
        results = select.of_one_source(results, "classification", args.src_lang)
    kind = tables.Kind("classification", args.metric, cross, args.ci)
    if args.by:
        table, columns = tables.build_by(results, kind, args.dataset[0], args.by)
        tables.write(args, table, kind, tables.Layout(columns))
    else:
        tables.show(args, tables.build(results, kind), kind, groups)
