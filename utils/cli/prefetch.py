"""Download data sets and checkpoints for later runs without a network, or check which of them are present.

python -m utils.prefetch --datasets nusax tatoeba --model_checkpoints intfloat/multilingual-e5-base
python -m utils.prefetch --datasets all --check
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from utils.cli import arguments
from utils.cli.model_arguments import add_trust_arg
from utils.cli.types import name_or_path
from utils.data import registry
from utils.data.bitext import bitext_subsets, load_bitext
from utils.data.classification import load_labeled
from utils.data.instructions import load_instructions
from utils.data.items import has_items, load_items, load_pool
from utils.data.judged import load_judged
from utils.data.mteb_rows import data_of, is_mteb, mteb_row
from utils.data.sources import Sources
from utils.data.sts import load_sts
from utils.errors import UserError, counted, lookup
from utils.loaders import BUNDLED_GENERATOR, OTHER_KIND, SENTENCE_TRANSFORMERS
from utils.schema import DatasetSpec, EncoderSpec, GeneratorSpec

EXAMPLES = """
python -m utils.prefetch --datasets nusax tatoeba --model_checkpoints intfloat/multilingual-e5-base
python -m utils.prefetch --datasets all --check
python -m utils.prefetch --model_checkpoints bundled/multilingual-e5-small sentence-transformers/LaBSE
"""
NOT_WEIGHTS = ("onnx/*", "openvino/*", "*.msgpack", "*.h5", "*.ot", "*.onnx", "*.tflite", "*.gguf", "flax*", "tf_*")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Raises UserError where nothing is named."""
    parser = arguments.Parser(
        "Download data sets and checkpoints for runs without a network, and verify them.", EXAMPLES
    )
    parser.add_argument(
        "--datasets",
        type=name_or_path,
        nargs="+",
        default=[],
        metavar="NAME",
        help="names that --list shows, mteb:TASK, or all",
    )
    parser.add_argument(
        "--model_checkpoints", type=name_or_path, nargs="+", default=[], metavar="NAME", help="hub ids or names"
    )
    parser.add_argument(
        "--gen_model_checkpoints",
        type=name_or_path,
        nargs="+",
        default=[],
        metavar="NAME",
        help="generators of icl.py and chat.py",
    )
    parser.add_argument(
        "--rerank", type=name_or_path, nargs="+", default=[], metavar="NAME", help="rerankers: hub ids or names"
    )
    parser.add_argument("--check", action="store_true", help="download nothing; show what is there and what is missing")
    add_trust_arg(parser)
    arguments.add_place_args(parser)
    args = parser.parse_args(argv)
    if not (args.datasets or args.model_checkpoints or args.gen_model_checkpoints or args.rerank):
        raise UserError(
            "no data set and no checkpoint is named",
            "give --datasets, --model_checkpoints, --gen_model_checkpoints or --rerank, for example --datasets all "
            "--check",
        )
    return args


def main(argv: Sequence[str]) -> None:
    """Download or check everything that is named; UserError at the end where something is missing."""
    args = parse(argv)
    if args.check:
        os.environ["HF_HUB_OFFLINE"] = "1"  # before a library of the hub is imported
    sources = Sources(args.data_dir, args.cache_dir)
    missing = []
    for name, fetch in [*_datasets(args, sources), *_checkpoints(args, sources)]:
        try:
            print(f"ok       {name:<44}{fetch()}", flush=True)
        except UserError as error:
            missing.append(name)
            print(f"missing  {name:<44}{error.what}", flush=True)
    if missing:
        hint = (
            "without --check, they are downloaded" if args.check else "give the same command again to download the rest"
        )
        raise UserError(f"{len(missing)} missing: {'; '.join(missing)}", hint)


def _datasets(args: argparse.Namespace, sources: Sources) -> Iterator[tuple[str, Callable[[], str]]]:
    rows = [(task, name) for task, known in registry.DATASETS.items() for name in known]
    names = list(dict.fromkeys(name for _, name in rows)) if args.datasets == ["all"] else args.datasets
    for name in names:
        if is_mteb(name):
            yield name, lambda name=name: _read_all(mteb_row(name, data_of(name)), sources)  # type: ignore[misc]
            continue
        tasks = [task for task, row in rows if row == name]
        if not tasks:
            lookup({row: None for _, row in rows}, name)
        for task in tasks:
            spec = registry.DATASETS[task][name]
            yield f"{name}, {task}", lambda spec=spec: _read_all(spec, sources)  # type: ignore[misc]


def _read_all(spec: DatasetSpec, sources: Sources) -> str:
    """Read every subset, which downloads, verifies and parses it; return their size and origin."""
    texts, kinds = 0, set()
    if spec.task == "bitext":
        for name, pair in bitext_subsets(spec, None, None).items():
            subset = load_bitext(spec, *pair, sources, name=name)
            texts += len(subset.sources) + len(subset.targets)
            kinds.add(subset.origin.kind)
    elif spec.task == "retrieval":
        for name in spec.subsets:
            judged = load_judged(spec, name, sources, pool="same")
            texts += len(judged.queries) + len(judged.passages)
            kinds.add(judged.origin.kind)
    elif spec.task == "sts":
        for name in spec.subsets:
            pairs = load_sts(spec, name, sources)
            texts += 2 * len(pairs.gold)
            kinds.add(pairs.origin.kind)
    elif has_items(spec):
        for lang in spec.subsets:
            for part in (load_pool(spec, lang, "test", sources), load_items(spec, lang, "test", sources)):
                texts += len(part.texts)
                kinds.add(part.origin.kind)
    elif spec.task == "chat":
        for name in spec.subsets:
            asked = load_instructions(spec, name, sources)
            texts += len(asked.texts) + len(asked.references)
            kinds.add(asked.origin.kind)
    else:
        for lang in spec.subsets:
            for split in ("train", "test"):
                labeled = load_labeled(spec, lang, split, sources)
                texts += len(labeled.texts)
                kinds.add(labeled.origin.kind)
    return f"{counted(len(spec.subsets), 'subset')}, {counted(texts, 'text')} ({', '.join(sorted(kinds))})"


def _checkpoints(args: argparse.Namespace, sources: Sources) -> Iterator[tuple[str, Callable[[], str]]]:
    for name in args.model_checkpoints:
        yield name, lambda name=name: _fetch_checkpoint(name, sources.cache_dir, args.trust_remote_code)  # type: ignore[misc]
    for name in args.gen_model_checkpoints:
        yield name, lambda name=name: _fetch_generator(name, sources.cache_dir, args.trust_remote_code)  # type: ignore[misc]
    for name in args.rerank:
        yield name, lambda name=name: _fetch_reranker(name, sources.cache_dir, args.trust_remote_code)  # type: ignore[misc]


def _fetch_checkpoint(name: str, cache_dir: Path, is_trusted: bool) -> str:
    """Download a checkpoint's files, or expand the bundled one; then load it and encode a word."""
    from utils.encoders.cached import load_encoder
    from utils.encoders.resolve import EncodingOptions, resolve

    spec = resolve(name, cache_dir, EncodingOptions(trust_remote_code=is_trusted))
    if spec.provider:
        return _fetch_vocabulary(spec, cache_dir)
    if spec.fitted:
        return "nothing to download"
    if spec.loader in (SENTENCE_TRANSFORMERS, OTHER_KIND) and not spec.label:
        _download(name, spec.revision)
    rows = load_encoder(spec, "cpu", cache_dir).encode(["word"])
    return f"{rows.shape[1]} dimensions, revision {short_revision(spec.revision)}"


def _fetch_generator(name: str, cache_dir: Path, is_trusted: bool) -> str:
    """Download a generator's files, or expand the bundled one; then load its tokenizer only, and tokenise a word."""
    from utils.generators.resolve import GeneratorOptions, resolve

    spec = resolve(name, cache_dir, GeneratorOptions(trust_remote_code=is_trusted))
    if spec.provider:
        return _fetch_vocabulary(spec, cache_dir)
    return _fetch_language_model(name, spec, cache_dir)


def _fetch_language_model(name: str, spec: GeneratorSpec, cache_dir: Path) -> str:
    from utils.generators.cached import open_generator

    if spec.loader == BUNDLED_GENERATOR:
        from utils.generators.bundled import expand_bundled

        expand_bundled(cache_dir)
    elif not spec.label:
        _download(name, spec.revision)
    open_generator(spec, "cpu", cache_dir).n_tokens(["word"])
    return f"{spec.kind} model, revision {short_revision(spec.revision)}"


def _fetch_reranker(name: str, cache_dir: Path, is_trusted: bool) -> str:
    """Download a reranker's files; then load a cross-encoder and score a pair, or tokenise by a language model."""
    from utils.loaders import CROSS_ENCODER_RERANKER, load_function
    from utils.rerankers.resolve import RerankOptions, resolve_reranker

    spec = resolve_reranker(name, cache_dir, RerankOptions(trust_remote_code=is_trusted))
    model = spec.model
    if model.provider:
        return f"model of {model.provider}'s API"
    if isinstance(model, GeneratorSpec):
        return _fetch_language_model(name, model, cache_dir)
    if not model.label:
        _download(name, model.revision)
    list(load_function(CROSS_ENCODER_RERANKER)(spec, "cpu", cache_dir).score([("word", "word")]))
    return f"{spec.kind}, revision {short_revision(model.revision)}"


def short_revision(revision: str | None) -> str:
    """Return a revision as it is shown: a commit or a hash by its first digits, the versions of packages whole."""
    shown = str(revision)
    return shown[:20] if re.fullmatch(r"(sha256:)?[0-9a-f]{40,}", shown) else shown


def _fetch_vocabulary(spec: EncoderSpec | GeneratorSpec, cache_dir: Path) -> str:
    """Download the vocabulary that counts the tokens of an API's model, where there is one."""
    from utils.api.providers import PROVIDERS, price_of
    from utils.api.token_counts import open_counter

    exact = open_counter(spec.checkpoint, spec.provider, spec.base_url, cache_dir)[1]
    if not exact and PROVIDERS[spec.provider].uses_tiktoken and price_of(spec) is not None:
        raise UserError("tiktoken's vocabulary is not available; without it, tokens are estimated")
    return f"model of {spec.provider}'s API; tokens are {'counted' if exact else 'estimated'}"


def _download(checkpoint: str, revision: str | None) -> None:
    """Download all files of a checkpoint, except other formats of its weights; offline, check that they are present."""
    from huggingface_hub import HfApi, snapshot_download

    from utils.hub import hub_errors, hub_token, is_offline

    with hub_errors(f"the checkpoint {checkpoint!r}"):
        twice: tuple[str, ...] = ()
        if not is_offline():
            info = HfApi().model_info(checkpoint, revision=revision, token=hub_token())
            files = [entry.rfilename for entry in info.siblings or []]
            twice = ("*.bin",) if any(file.endswith(".safetensors") for file in files) else ()
        ignored = [*NOT_WEIGHTS, *twice]
        offline = is_offline()
        snapshot_download(
            checkpoint, revision=revision, token=hub_token(), ignore_patterns=ignored, local_files_only=offline
        )
