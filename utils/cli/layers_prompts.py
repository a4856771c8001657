"""layers.py on the prompts of in-context learning: what a causal model would answer after each of its layers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.cli.icl_task import Icl, Prompts, Shared
from utils.cli.layers_arguments import layers_asked
from utils.cli.layers_run import Measured, log_rows
from utils.constants import WRITTEN
from utils.errors import UserError, note
from utils.files import sha256_of
from utils.generators.templates import ENGLISH
from utils.layers.cached_lens import check_readable, lens_readings
from utils.layers.generator_depth import depth_of_generator
from utils.layers.measures import MEASURES
from utils.layers.rows import ITEMS, place_row
from utils.layers.tuned import params_file

if TYPE_CHECKING:
    from utils.cli.icl_prompts import Prompting
    from utils.cli.models import Models
    from utils.cli.run import Run
    from utils.data.train_test import TrainTest
    from utils.layers.lens_figures import Options
    from utils.layers.pivots import Place
    from utils.protocols import Generator
    from utils.settings.layers import LensSettings

SHARED = {  # what makes figures less than exact, as notes say it
    "shared_first_tokens": "have options that begin with the same token, which the lens cannot tell apart",
    "shared_languages": "have answers that begin with the same token in both languages",
    "apart": "have their prompts and answers tokenised apart",
}


class LensRun(Icl):
    """The logit lens on the prompts of one run; `tuned` is the file of a tuned lens."""

    measure = MEASURES["lens"]

    def __init__(
        self,
        run: Run,
        settings: LensSettings,
        generator: Generator,
        prompting: Prompting,
        tuned: Path | None,
        layers: Sequence[int] | None,
    ) -> None:
        super().__init__(run, settings, generator, Shared(), prompting)
        self.tuned, self.layers = tuned, layers

    @property
    def places(self) -> list[Place] | None:
        """The layers that are read; None where the model's files do not say how many it has."""
        depth = depth_of_generator(self.generator.spec)
        return None if depth is None else [(layer, "") for layer in layers_chosen(self.layers, depth, "")]

    def evaluate(self, subset: str) -> None:
        """Build the prompts of one language, read the layers behind each, and log the figures of every layer."""
        from utils.layers.lens import Asked
        from utils.layers.lens_figures import item_values, layer_figures, sharing
        from utils.progress import Clock

        clock = Clock()
        data = self.load(subset)
        asked = self.ask(subset, data, clock)
        options = self.options_of(data, asked)
        prompts = [
            Asked(query.prompt, each.words, each.words.index(each.asked[each.right]))
            for query, each in zip(asked.queries, options, strict=True)
        ]
        readings = lens_readings(self.generator, prompts, self.tuned, legacy=self.settings.legacy)
        clock.lap("read")
        values = item_values(readings, options)
        figures = layer_figures(values, self.settings.seed)
        deepest = len(figures) - 1
        chosen = layers_chosen(self.layers, deepest, self.generator.spec.name)
        rows = [
            place_row(layer, deepest, None, {name: figures[layer].get(name) for name in self.measure.columns})
            | {ITEMS: values[self.measure.metric][:, layer]}
            for layer in chosen
        ]
        counts: dict[str, Any] = sharing(readings, options)
        for name, count in counts.items():
            note(f"{self.run.dataset.name} {subset}: {count} of {len(options)} items {SHARED[name]}")
        about = {**self.describe(subset, data, asked), "lens": counts}
        about["lens"]["last_layer_error"] = max(reading["error"] for reading in readings)
        log_rows(self.run, subset, self.measure, rows, len(options), about, clock, prompts=asked.logged(data))

    def report(self, measured: Measured) -> None:
        """Print nothing: the table of best layers and the files have all figures."""

    def options_of(self, data: TrainTest, asked: Prompts) -> list[Options]:
        """Return the options of each item with the right one, and the answers in its language and in English."""
        from utils.layers.lens_figures import Options

        own, english = (self.words_in(lang, data.names) for lang in (data.lang, ENGLISH))
        rights = data.indices(data.gold).tolist()
        return [
            Options(tuple(query.labels or data.names), places.index(right), own, english)
            for query, places, right in zip(asked.queries, asked.places(data), rights, strict=True)
        ]

    def words_in(self, lang: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return the words of the labels in a language by the template; empty where there are none."""
        file = self.prompting.file
        if file is None or self.prompting.kind not in ("label", "pair") or not file.has(lang):
            return ()
        return tuple(map(file.in_language(lang, lang).word, names))


def layers_chosen(asked: Sequence[int] | None, deepest: int, name: str) -> list[int]:
    """Return the layers that are asked for, negative ones from the end; all for None. UserError for absent ones."""
    from utils.encoders.layers import layer_missing

    if asked is None:
        return list(range(deepest + 1))
    for layer in asked:
        if not -deepest - 1 <= layer <= deepest:
            raise layer_missing(name, layer, deepest, "--layers")
    return sorted({layer % (deepest + 1) for layer in asked})


def open_prompts(args: argparse.Namespace, models: Models) -> tuple[LensRun, list[str]]:
    """Return the run of a command line on prompts, and its languages. Raises UserError for flags in conflict."""
    from utils.cli.choices import build_settings, chosen_generator
    from utils.cli.data_choice import chosen_prompted
    from utils.cli.icl_arguments import check_flags, without_encoder
    from utils.cli.icl_settings import chosen_instructions, prompt_settings
    from utils.cli.ks import Ks
    from utils.cli.open_run import OtherModels, open_run
    from utils.data.classification import langs_to_test
    from utils.settings.layers import LensSettings

    args = argparse.Namespace(**{**vars(args), "decode": "score"})
    check_flags(args)
    tuned = None if args.tuned_lens is None else params_file(args.tuned_lens)
    dataset, prompting = chosen_prompted(args)
    if prompting.kind in WRITTEN:
        what = f"--measure lens with {dataset.name}, whose answers are texts"
        raise UserError(what, "choose a data set of labels, pairs or choices")
    src_lang, langs = langs_to_test(dataset, args.langs, args.src_lang, cross=args.cross)
    spec, (k,) = chosen_generator(args), set(args.k)
    (instruction,) = chosen_instructions(args, prompting)
    layers, depth = layers_asked(args), depth_of_generator(spec)
    if depth is not None:
        layers_chosen(layers, depth, spec.name)  # before anything is read
    own = {
        "length_norm": None,
        "layers": "all" if layers is None else " ".join(map(str, layers)),
        "tuned_lens": None if tuned is None else sha256_of(tuned)[:8],
    }
    settings = build_settings(
        LensSettings, args, **{**prompt_settings(args, src_lang, spec, instruction, prompting), **own}
    )
    folder = settings.run_name("save_lens", quantization=spec.quantization)
    encoder, ks, others = without_encoder(args.demonstrations, k), Ks((k,), typed=True), OtherModels(generator=spec)
    run = open_run(args, dataset, "lens", settings, folder, others, without_encoder=encoder, models=models, ks=ks)
    assert run.generator is not None
    check_readable(run.generator)
    return LensRun(run, settings, run.generator, prompting, tuned, layers), list(langs)
