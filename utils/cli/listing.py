"""The output of --list: data sets, encoders, generators, prices."""

from __future__ import annotations

from utils.api.providers import price_of, prices_read
from utils.data import registry
from utils.encoders.registry import ENCODERS
from utils.generators.registry import GENERATORS
from utils.schema import EncoderSpec, GeneratorSpec


def show_registry() -> None:
    """Print the datasets and encoders that are known by name."""
    for task, rows in registry.DATASETS.items():
        print(f"{task} (--dataset)")
        for spec in rows.values():
            print(f"  {spec.name:<17}{len(spec.subsets):>4} subsets   {spec.source}, licence {spec.licence}")
        print()
    print("encoders (--model_checkpoint); any other hub id or folder works too")
    for encoder in ENCODERS.values():
        prompt = f"prompt {encoder.prompt!r}" if encoder.prompt else ""
        told = _price(encoder) if encoder.provider else prompt
        print(f"  {encoder.checkpoint:<62}{encoder.licence:<12}{told}")
    print("\ngenerators (icl.py --gen_model_checkpoint); any other hub id, folder or .gguf file works too")
    for generator in GENERATORS.values():
        told = f" {_price(generator)}" if generator.provider else ""
        print(f"  {generator.checkpoint:<62}{generator.kind:<9}{generator.licence}{told}")
    print(
        "\nmodels of APIs: openai:NAME and cohere:NAME for any other; --base_url and --gen_base_url for a server\n"
        f"(prices of {prices_read()}, dollars for a million tokens read and generated)"
    )


def _price(spec: EncoderSpec | GeneratorSpec) -> str:
    """Return what a model of an API costs, as --list shows it."""
    price = price_of(spec)
    return "" if price is None else f"${price[0]:g}" + (f" / ${price[1]:g}" if price[1] else "")
