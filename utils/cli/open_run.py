"""Opening a run from the arguments: device, encoders, generator and record store."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.api_flags import check_api_flags
from utils.cli.choices import Chosen, chosen_encoders, encoding_options, has_sides
from utils.cli.ks import Ks
from utils.cli.models import Models
from utils.cli.other_kinds import check_kinds
from utils.cli.reranking import Reranking, chosen_depth
from utils.cli.run import Run
from utils.data.sources import Sources, planned_origin
from utils.encoders.resolve import resolve_members
from utils.errors import UserError
from utils.records.identity import Identity, encoders_identity, generator_identity, reranker_identity
from utils.records.paths import encoder_label, run_folder
from utils.records.provenance import public_argument
from utils.records.record_store import RecordStore
from utils.records.variants import earlier_place_of, place_of
from utils.retrieval.ensemble import Ensemble
from utils.tasks import TASKS

if TYPE_CHECKING:
    from utils.rerankers.spec import RerankerSpec
    from utils.schema import DatasetSpec, EncoderSpec, GeneratorSpec
    from utils.settings.base import Settings


@dataclass(frozen=True)
class OtherModels:
    """The models of a run beside its encoders.

    generator: the one that is evaluated. beside: generators with a part in its figures, by what they do.
    """

    generator: GeneratorSpec | None = None
    reranker: RerankerSpec | None = None
    beside: Mapping[str, GeneratorSpec] = field(default_factory=dict)


def open_run(
    args: argparse.Namespace,
    dataset: DatasetSpec,
    task: str,
    settings: Settings,
    folder: str,
    others: OtherModels | None = None,
    *,
    without_encoder: str | None = None,
    models: Models | None = None,
    ks: Ks | None = None,
    specs: Sequence[EncoderSpec] | None = None,
) -> Run:
    """Return a run of a command line, its folder below --output_dir; no model is loaded yet.

    without_encoder: the encoder's name in a run that encodes nothing. models: those of the command, where it has
    several runs. ks: the run's own ks, by default those of the command line. specs: the encoders, where they are
    resolved already. Raises UserError for conflicting flags.
    """
    models, sources, others = models or Models(args), chosen_sources(args), others or OtherModels()
    specs, weights = _encoders(args, dataset, sources, specs) if without_encoder is None else ([], [])
    _check(args, settings, specs, others)
    known = None if args.tune_weights else weights  # weights that are tuned are not known yet
    identity = _identity(dataset, task, settings, sources, specs, known, others, without_encoder)
    return Run(
        dataset=dataset,
        sources=sources,
        ensemble=_ensemble(args, settings, models, specs, weights),
        store=_store(args, settings, folder, identity, others.generator),
        ks=ks or chosen_ks(args, dataset.options.get("ks", TASKS[task].default_ks)),
        metric=settings.figure_of(TASKS[task].metric_for(dataset.main_metric)),
        arguments={name: public_argument(value) for name, value in vars(args).items()},
        langs=args.langs,
        dry_run=args.dry_run,
        tunes_weights=args.tune_weights,
        generator=models.generator(others.generator) if others.generator else None,
        reranking=Reranking(models.reranker(others.reranker), chosen_depth(args)) if others.reranker else None,
        beside={name: models.generator(spec) for name, spec in others.beside.items()},
    )


def _encoders(
    args: argparse.Namespace, dataset: DatasetSpec, sources: Sources, specs: Sequence[EncoderSpec] | None
) -> tuple[Sequence[EncoderSpec], list[float]]:
    """Return the specs of the encoders, unless they are given, and their weights."""
    chosen = chosen_encoders(args)
    if specs is None:
        specs = resolve_encoders(args, chosen, sources, dataset.options.get("prompts"))
    return specs, [weight for *_, weight in chosen]


def _check(args: argparse.Namespace, settings: Settings, specs: Sequence[EncoderSpec], others: OtherModels) -> None:
    """Raise UserError for flags and settings that the models do not have."""
    check_api_flags(args, specs, others.generator, others.reranker, list(others.beside.values()))
    check_kinds(specs, settings)


def _identity(
    dataset: DatasetSpec,
    task: str,
    settings: Settings,
    sources: Sources,
    specs: Sequence[EncoderSpec],
    weights: Sequence[float] | None,
    others: OtherModels,
    without_encoder: str | None,
) -> Identity:
    return Identity(
        task=task,
        dataset=dataset.name,
        model=without_encoder or encoder_label(specs, weights),
        source=planned_origin(dataset, sources),
        encoders=encoders_identity(specs, weights),
        settings=settings.identity(),
        generator=generator_identity(others.generator) if others.generator else None,
        reranker=reranker_identity(others.reranker) if others.reranker else None,
        beside={name: generator_identity(spec) for name, spec in others.beside.items()},
    )


def _ensemble(
    args: argparse.Namespace,
    settings: Settings,
    models: Models,
    specs: Sequence[EncoderSpec],
    weights: Sequence[float],
) -> Ensemble:
    return Ensemble(
        models.encoders(specs),
        weights,
        similarity=getattr(settings, "similarity", "cosine"),
        fuse=settings.fuse,
        normalize=settings.normalize,
        device=models.device,
        precision="plain" if getattr(args, "exact_float32", False) else None,
    )


def _store(
    args: argparse.Namespace, settings: Settings, folder: str, identity: Identity, generator: GeneratorSpec | None
) -> RecordStore:
    name = f"{generator.name}/{identity.model}" if generator else identity.model
    debug, output = settings.limit is not None, args.output_dir
    run, *below = folder.split("/")

    def place(told: str) -> Path:
        part = "/".join([f"{run}_{told}" if told else run, *below])
        return run_folder(output, part, identity.dataset, name, settings.seed, debug=debug)

    about = identity.of(""), identity.dataset, TASKS[identity.task]
    own, *earlier = dict.fromkeys(map(place, (place_of(*about), "", earlier_place_of(*about))))
    return RecordStore(own, identity, earlier=earlier, overwrite=args.overwrite, debug=debug)


def chosen_ks(args: argparse.Namespace, usual: Sequence[int]) -> Ks:
    """Return the ks of the command line, or the usual ones of the data set or the task."""
    asked = getattr(args, "k", None)
    asked = [asked] if isinstance(asked, int) else asked
    return Ks(tuple(sorted(set(asked or usual))), typed=asked is not None)


def chosen_sources(args: argparse.Namespace) -> Sources:
    """Return where data are read from. Raises UserError if --data_dir is no folder."""
    data_dir = args.data_dir
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(
            f"--data_dir {args.data_dir}: no such folder", "give the root of a mirror laid out as <owner>/<name>"
        )
    return Sources(data_dir, args.cache_dir)


def resolve_encoders(
    args: argparse.Namespace, chosen: Sequence[Chosen], sources: Sources, task: Mapping[str, str] | None = None
) -> list[EncoderSpec]:
    """Return the spec of each encoder, given its name, prompts and layer (None: the usual ones) and its weight.

    task: that of mteb, by which checkpoints have prompts.
    """
    options = encoding_options(args, has_sides=has_sides(args), task=task)
    return resolve_members([each[:-1] for each in chosen], sources.cache_dir, options)
