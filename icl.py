#!/usr/bin/env python3
"""In-context learning: demonstrations retrieved from the training texts, then a language model names the label.

python icl.py                                                      the sample set's topics, embedded models
python icl.py --dataset nusax --langs eng ace --k 1                one retrieved demonstration, each language's own
python icl.py --dataset nusax --cross --src_lang eng --k 5         English demonstrations for every other language
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.cli import arguments
from utils.cli.choices import chosen_generator, fusion_departures, quantization
from utils.cli.listing import show_registry
from utils.cli.main import run
from utils.cli.model_arguments import add_api_args, add_encoder_args, add_generator_args
from utils.cli.types import natural
from utils.errors import UserError
from utils.schema import DEMONSTRATIONS, ORDERS, LabeledTexts, RunRecord, TopK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from utils.cli.session import Session
    from utils.generators.cached import CachedGenerator
    from utils.generators.decoding import Answers, DecodeSettings, Query
    from utils.schema import GenerationSettings, GeneratorSpec

    Ints = npt.NDArray[np.int64]

SETTINGS = (  # arguments that decide a figure
    *("cross", "src_lang", "split", "similarity", "balance", "min_percentile", "max_percentile", "demonstrations"),
    *("order", "instruction", "decode", "length_norm", "calibrate", "legacy", "max_new_tokens", "temperature"),
)
SPLITS = ("test", "validation")
MEANINGS = {
    "dataset": "a name that --list shows, or a labelled .tsv, .csv, .jsonl or .parquet file",
    "src_lang": "--cross: the language of the demonstrations (default: the dataset's pivot)",
    "langs": "only these languages",
    "columns": "own file: TEXT LABEL [LANG [SPLIT]] (default: columns of these names)",
}
EXAMPLES = """
python icl.py
python icl.py --dataset nusax --k 0 --gen_model_checkpoint bigscience/bloomz-560m --cuda
python icl.py --dataset nusax --k 1 --balance --model_checkpoint intfloat/multilingual-e5-base
python icl.py --dataset nusax --cross --src_lang eng --gen_model_checkpoint facebook/xglm-564M
python icl.py --dataset nusax --sample_percentile --min_percentile 90 --max_percentile 100
python icl.py --dataset sib200 --gen_model_checkpoint meta-llama/Meta-Llama-3-8B-Instruct --load_in_8bit --cuda
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = arguments.Parser("In-context learning with retrieved demonstrations.", EXAMPLES)
    arguments.add_data_args(parser, MEANINGS)
    add_encoder_args(parser)
    add_generator_args(parser)
    group = arguments.add_similarity_arg(parser)
    group.add_argument(
        "--k", type=natural, default=1, metavar="K", help="demonstrations; 0: none (default: %(default)s)"
    )
    group.add_argument("--cross", action="store_true", help="demonstrations of --src_lang for all other languages")
    group.add_argument(
        "--demonstrations", choices=DEMONSTRATIONS, default="nearest", help="how they are chosen (default: %(default)s)"
    )
    group.add_argument("--order", choices=ORDERS, default="nearest_first", help="in the prompt (default: %(default)s)")
    group.add_argument("--balance", action="store_true", help="the k nearest of each label, in the labels' order")
    group.add_argument("--sample_percentile", action="store_true", help="from a band of ranks of all training texts")
    group.add_argument("--min_percentile", type=natural, metavar="P", help="where the band begins (default: 0)")
    group.add_argument("--max_percentile", type=natural, metavar="P", help="where it ends (default: 100)")
    group.add_argument("--split", choices=SPLITS, default="test", help="the texts to classify (default: %(default)s)")
    group.add_argument("--legacy", action="store_true", help="the original's labels, distance, tokens and macro means")
    add_api_args(parser, generator=True)
    arguments.add_run_args(parser)
    args = parser.parse_args(argv)
    check_choices(args)
    return args


def check_choices(args: argparse.Namespace) -> None:
    """Raise UserError for flags that do not go together, and give those that mean nothing here their neutral value."""
    band = args.min_percentile is not None or args.max_percentile is not None
    if band and not args.sample_percentile:
        raise UserError("--min_percentile or --max_percentile without --sample_percentile", "add --sample_percentile")
    if args.sample_percentile:
        args.min_percentile = args.min_percentile or 0
        args.max_percentile = 100 if args.max_percentile is None else args.max_percentile
        if not args.min_percentile < args.max_percentile <= 100:
            what = f"percentiles {args.min_percentile} to {args.max_percentile}"
            raise UserError(what, "give 0 <= --min_percentile < --max_percentile <= 100")
    special = [name for name in ("balance", "sample_percentile") if getattr(args, name)]
    special += [f"demonstrations {args.demonstrations}"] if args.demonstrations != "nearest" else []
    if len(special) > 1:
        raise UserError(f"--{' and --'.join(special)} are both given", "each is a way to choose: use one of them")
    if args.k == 0 and special:
        raise UserError(f"--k 0 with --{special[0]}", "without demonstrations there is nothing to choose: use --k 1")
    if args.demonstrations == "diverse" and (args.fuse != "score" or args.similarity != "cosine" or args.legacy):
        raise UserError("--demonstrations diverse with another similarity or fusion", "it is defined on cosines")
    if args.tune_weights:
        raise UserError("--tune_weights in icl.py", "tune with classification.py and give the result as --weights")
    if args.legacy:
        if args.similarity == "dot":
            raise UserError("--legacy with --similarity dot", "it stands for the original's Euclidean distance")
        args.similarity = "euclidean"
    if args.src_lang and not args.cross and not args.list:
        raise UserError("--src_lang without --cross", "add --cross to take demonstrations from it")


def settle_decoding(args: argparse.Namespace, spec: GeneratorSpec) -> None:
    """Fill in what the generator decides, and drop what its way of decoding does not read."""
    args.decode = args.decode or spec.decode
    if args.calibrate and args.decode != "score":
        raise UserError(f"--calibrate with --decode {args.decode}", "calibration is of scores: --decode score")
    if args.batch_api and args.decode != "generate":
        raise UserError(f"--batch_api with --decode {args.decode}", "batch files are for --decode generate")
    if args.decode == "score" and args.temperature:
        raise UserError(f"--temperature {args.temperature} with --decode score", "scores are not drawn: leave it out")
    args.length_norm = {"none": "sum"}.get(args.length_norm, args.length_norm) if args.decode == "score" else None
    args.max_new_tokens = args.max_new_tokens if args.decode == "generate" else None


def run_name(args: argparse.Namespace, usual_decode: str) -> str:
    """Return the run's folder: the original's name, each departure from the plain setting in it."""
    band = f"_percentile/{args.min_percentile}_{args.max_percentile}" if args.sample_percentile else ""
    departures = [
        quantization(args),
        f"cross_{args.src_lang}" if args.cross else "",
        "balance" if args.balance else "",
        "diverse" if args.demonstrations == "diverse" else "",
        args.order if args.order != "nearest_first" else "",
        args.similarity if args.similarity != "cosine" and not args.legacy else "",
        args.split if args.split != "test" else "",
        args.decode if args.decode != usual_decode else "",
        args.length_norm if args.length_norm not in (None, "token") else "",
        "calibrated" if args.calibrate else "",
        f"temperature_{args.temperature:g}" if args.temperature else "",
        "legacy" if args.legacy else "",
        *fusion_departures(args),
    ]
    return "_".join(["save_icl", *filter(None, departures)]) + band


def evaluate(session: Session, generator: CachedGenerator, lang: str) -> None:
    """Load, retrieve demonstrations, ask the generator, score and log one language."""
    from utils.data.classification import describe, label_set
    from utils.generators.decoding import answer
    from utils.progress import Clock

    clock, args = Clock(), session.args
    train, test = load(session, lang)
    names = label_set(train, test)
    session.allowed_ks(lang, len(train.texts))
    clock.lap("load")
    shown = demonstrations(session, train, test, names)
    clock.lap("retrieve")
    queries = build_queries(args, generator.spec, train, test, names, shown)
    answers = answer(generator, queries, names, decode_settings(args))
    clock.lap("answer")
    record, predictions = score(args, train, test, names, answers)
    if answers.failures:
        first = next(iter(answers.failures.values()))
        print(
            f"warning: {lang}: {len(answers.failures)} texts have no answer and count as wrong: {first}",
            file=sys.stderr,
        )
    warn_of_unparsed(lang, answers)
    clock.lap("score")
    about = describe(session.dataset, args.src_lang if args.cross else lang, train, lang, test, cross=args.cross)
    prompts = {
        "prompts": [query.prompt for query in queries],
        "demonstrations": [indices.tolist() for indices in shown],
        "labels": list(names),
        "scores": answers.scores,
        "outputs": answers.outputs,
        **({"failures": answers.failures} if answers.failures else {}),
    }
    session.log(lang, record, predictions, about, clock.laps, prompts)


def warn_of_unparsed(lang: str, answers: Answers) -> None:
    """Say so where most answers name no label, with one of them: the figures then tell little of the model."""
    lost = [place for place, index in enumerate(answers.hyp) if index < 0 and place not in answers.failures]
    if 2 * len(lost) > len(answers.hyp):
        shown = answers.outputs[lost[0]][:60] if answers.outputs else ""
        share = 100 * len(lost) / len(answers.hyp)
        print(f"warning: {lang}: {share:.0f} % of the answers name no label, the first is {shown!r}", file=sys.stderr)


def load(session: Session, lang: str) -> tuple[LabeledTexts, LabeledTexts]:
    """Return the texts to show and those to classify."""
    from utils.data.classification import load_labeled

    args = session.args
    source = args.src_lang if args.cross else lang
    train = load_labeled(session.dataset, source, "train", session.where, legacy=args.legacy)
    return train, load_labeled(session.dataset, lang, args.split, session.where, legacy=args.legacy)


def demonstrations(session: Session, train: LabeledTexts, test: LabeledTexts, names: Sequence[str]) -> list[Ints]:
    """Return the indices of each test text's demonstrations, in the prompt's order."""
    import numpy as np

    from utils.generators import demonstrations as ways

    args, texts = session.args, test.texts[: session.args.limit]
    n_train = len(train.texts)
    if args.k == 0:
        return [np.zeros(0, dtype=np.int64) for _ in texts]
    if args.demonstrations == "random":
        found = ways.at_random(len(texts), n_train, args.k, args.seed)
    elif args.demonstrations == "bm25":
        found = ways.by_bm25(texts, train.texts, args.k)
    else:
        members = session.embed(texts, train.texts)

        def search(candidates: Ints, k: int, queries: slice) -> TopK:
            whole = len(candidates) == n_train
            return session.search([(q[queries], t if whole else t[candidates]) for q, t in members], k)

        if args.balance:
            of_train = np.array([names.index(label) for label in train.labels], dtype=np.int64)
            found = ways.balanced(search, of_train, len(names), args.k)
        elif args.sample_percentile:
            found = ways.rank_band(search, len(texts), n_train, args.k, args.min_percentile, args.max_percentile)
        elif args.demonstrations == "diverse":
            found = ways.diverse(search, session.likeness([t for _, t in members]), n_train, args.k)
        else:
            found = ways.nearest(search, n_train, args.k)
        found = [indices[indices >= 0] for indices in found]  # a text without a vector is shown none
    return [indices[::-1] for indices in found] if args.order == "nearest_last" else found


def build_queries(
    args: argparse.Namespace,
    spec: GeneratorSpec,
    train: LabeledTexts,
    test: LabeledTexts,
    names: Sequence[str],
    shown: Sequence[Ints],
) -> list[Query]:
    """Return each test text's prompt; chat and sequence-to-sequence models are told the options."""
    from utils.generators.decoding import Query
    from utils.generators.prompts import CONTENT_FREE, build_prompt

    options = None if spec.kind == "base" else names
    queries = []
    for text, indices in zip(test.texts, shown, strict=False):
        pairs = [(train.texts[index], train.labels[index]) for index in indices.tolist()]
        empty = CONTENT_FREE if args.calibrate else ()
        content_free = tuple(build_prompt(args.instruction, pairs, blank, options) for blank in empty)
        queries.append(Query(build_prompt(args.instruction, pairs, text, options), content_free))
    return queries


def generation_settings(args: argparse.Namespace) -> GenerationSettings:
    """Return how text is generated; a choice among the labels has a length of its own."""
    from utils.schema import GenerationSettings

    return GenerationSettings(args.max_new_tokens or 0, args.temperature, args.seed)


def decode_settings(args: argparse.Namespace) -> DecodeSettings:
    """Return how an answer becomes a label."""
    from utils.generators.decoding import DecodeSettings

    return DecodeSettings(
        args.decode,
        args.length_norm or "token",
        args.calibrate,
        args.legacy,
        args.max_new_tokens or 0,
        args.temperature,
        args.seed,
    )


def score(
    args: argparse.Namespace, train: LabeledTexts, test: LabeledTexts, names: Sequence[str], answers: Answers
) -> tuple[RunRecord, dict[str, list[Any]]]:
    """Return the record, its `run` still empty, and the predictions; an answer that names no label is wrong."""
    import numpy as np

    from utils.evaluation.scores import label_figures

    hyp = np.array(answers.hyp, dtype=np.int64)
    n = len(hyp)
    place = {name: index for index, name in enumerate(names)}
    of_train, gold = (
        np.array([place[label] for label in labels], dtype=np.int64) for labels in (train.labels, test.labels[:n])
    )
    figures = label_figures(gold, hyp, names, of_train, args.seed, legacy=args.legacy)
    metrics = {**figures.metrics, "unparsed": float((hyp < 0).mean())}
    metrics |= {"failed": len(answers.failures) / n} if answers.failures else {}
    predictions: dict[str, list[Any]] = {
        "gold": list(test.labels[:n]),
        "hyp": [names[index] if index >= 0 else None for index in hyp],
    }
    return RunRecord(metrics, figures.ci95, n, args.k, {}, figures.details), predictions


def show_plan(session: Session, generator: CachedGenerator, langs: Sequence[str]) -> None:
    """Print each language's sizes and state, one whole prompt and the prompts' lengths; no model is loaded."""
    import numpy as np

    from utils.data.classification import label_set

    args, rows, shown = session.args, [], list[str]()
    quoted = np.zeros(3, dtype=np.int64)  # requests, tokens, tokens generated
    for lang in langs:
        train, test = load(session, lang)
        texts = [*test.texts[: args.limit], *train.texts]
        n_test = len(test.texts[: args.limit])
        rows.append([lang, len(train.texts), n_test, *session.plan_cells(lang, texts if session.encoders else [])])
        wanted = generator.traffic is not None and not session.is_done(lang, args.k)  # an API's cost is told for all
        if shown and not wanted:
            continue
        names = label_set(train, test)
        stand_ins = [np.arange(min(args.k, len(train.texts)))] * n_test  # the nearest ones need vectors
        queries = build_queries(args, generator.spec, train, test, names, stand_ins)
        shown = shown or [query.prompt for query in queries]
        if wanted:
            prompts = [text for query in queries for text in (query.prompt, *query.content_free)]
            quoted += generator.to_ask(prompts, names, generation_settings(args), args.decode)
    session.print_plan(rows, ["language", "train", args.split, "to encode", "records"])
    print(f"\none prompt of {langs[0]}{' (the first training texts stand in)' if args.k else ''}:\n{shown[0]}\n")
    lengths = generator.n_tokens(shown)
    if lengths is None:
        print("tokens: known after the first run, which expands the embedded generator")
        return
    about = "" if generator.counts_exactly else "about "
    print(f"{about}{min(lengths)} to {max(lengths)} tokens a prompt, {sum(lengths):,} in all of {langs[0]}")
    if generator.traffic is not None:
        n_requests, n_tokens, n_out = map(int, quoted)
        print(generator.traffic.quote(n_requests, n_tokens, generator.counts_exactly and args.k == 0, n_out))


def main(argv: Sequence[str]) -> None:
    """Run the command line; raises UserError for what the user can mend."""
    args = parse(argv)
    if args.list:
        show_registry()
        return
    from utils.cli.session import Session
    from utils.data.classification import langs_to_test
    from utils.data.own_data import find_labeled
    from utils.generators.cached import CachedGenerator
    from utils.generators.prompts import default_instruction, read_instruction

    dataset = find_labeled(args.dataset, args.columns, args.seed)
    args.src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    spec = chosen_generator(args)
    usual = spec.decode
    settle_decoding(args, spec)
    typed = read_instruction(args.instruction) if args.instruction is not None else None
    args.instruction = default_instruction(dataset.options.get("subject", "")) if typed is None else typed
    without = "none" if args.k == 0 else args.demonstrations if args.demonstrations in ("random", "bm25") else None
    session = Session(args, dataset, run_name(args, usual), SETTINGS, task="icl", without_encoder=without)
    generator = CachedGenerator(spec, session.device, session.where.cache_dir, session.api)
    session.use_generator(generator)
    if args.dry_run:
        show_plan(session, generator, langs)
        return
    session.run_subsets(langs, lambda lang: evaluate(session, generator, lang))
    session.print_scores(langs, dataset.main_metric)


if __name__ == "__main__":
    run(main)
