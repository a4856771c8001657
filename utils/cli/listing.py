"""The output of --list: data sets, encoders, generators, rerankers, and prices of API models."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from utils.schema import EncoderSpec, GeneratorSpec

KINDS_OF_RERANKERS = {"cross-encoder": "cross-encoder", "llm": "language model", "api": "API"}


def show_registry() -> None:
    """Print the data sets, encoders, generators and rerankers that are known by name."""
    from utils.api.providers import prices_read
    from utils.data.registry import DATASETS
    from utils.encoders.registry import ENCODERS
    from utils.generators.registry import GENERATORS

    wide = max(len(name) for rows in DATASETS.values() for name in rows)
    for task, rows in DATASETS.items():
        print(f"{task} (--dataset)")
        for spec in rows.values():
            print(f"  {spec.name:<{wide}}{len(spec.subsets):>4} subsets   {spec.source}, licence {spec.licence}")
        print()
    print("mteb:TASK (--dataset) is a task of mteb, in the script for its type (docs/data.md; requirements-mteb.txt)\n")
    print("encoders (--model_checkpoint); any other hub id or folder works too")
    for encoder in ENCODERS.values():
        told = _price(encoder) if encoder.provider else _prompts(encoder)
        print(f"  {encoder.checkpoint:<62}{kind_of(encoder):<14}{encoder.licence:<12}{told}")
    print("\ngenerators (icl.py, chat.py --gen_model_checkpoint); any other hub id, folder or .gguf file works too")
    for generator in GENERATORS.values():
        told = f" {_price(generator)}" if generator.provider else ""
        print(f"  {generator.checkpoint:<62}{generator.kind:<9}{generator.licence}{told}")
    print(
        "\nrerankers (--rerank); any other cross-encoder or causal language model works too, such as a generator above"
    )
    for name, kind, licence, told in _rerankers():
        print(f"  {name:<62}{kind:<20}{licence:<12}{told}".rstrip())
    print(
        "\nother models of APIs: openai:NAME and cohere:NAME; of your own server: --base_url, --gen_base_url\n"
        f"(prices of {prices_read()}, in US dollars per million tokens, input / output)"
    )


def kind_of(encoder: EncoderSpec) -> str:
    """Return the kind of an encoder as --list shows it: dense, multi-vector, sparse, static or decoder; of an API."""
    return f"{encoder.kind}, API" if encoder.provider else encoder.model or encoder.kind


def _prompts(encoder: EncoderSpec) -> str:
    """Return the prompts of an encoder as --list shows them: before queries, and before passages in retrieval.py."""
    texts = {"prompt": encoder.prompt, "passage prompt": encoder.passage_prompt}
    return ", ".join(f"{name} {text!r}" for name, text in texts.items() if text)


def _rerankers() -> Iterator[tuple[str, str, str, str]]:
    """Yield the name, kind, licence and price of each known reranker."""
    from utils.api.providers import PROVIDERS
    from utils.rerankers.registry import RERANKERS

    for name, (kind, licence) in RERANKERS.items():
        yield name, KINDS_OF_RERANKERS[kind], licence, ""
    for provider in PROVIDERS.values():
        for name, price in provider.search_prices.items():
            yield name, KINDS_OF_RERANKERS["api"], "API", f"${price:g} per 1,000 searches"


def _price(spec: EncoderSpec | GeneratorSpec) -> str:
    """Return the price of an API model as --list shows it; an empty text where it is not known."""
    from utils.api.providers import price_of

    price = price_of(spec)
    return "" if price is None else f"${price[0]:g}" + (f" / ${price[1]:g}" if price[1] else "")
