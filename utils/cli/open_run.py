"""Opening a run from the arguments: device, encoders, generator and record store."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from utils.api.limiter import Budget
from utils.cli.choices import api_options, chosen_device, chosen_dtype, chosen_encoders, refuse_idle_api_flags
from utils.cli.run import Ks, Run
from utils.data.sources import Sources, planned_origin
from utils.encoders.cached import open_encoder
from utils.encoders.resolve import api_encoder, resolve_encoder, served_names
from utils.errors import UserError
from utils.records.identity import Identity, encoders_identity, generator_identity
from utils.records.paths import encoder_label, run_folder
from utils.records.provenance import shown_argument
from utils.records.record_store import RecordStore
from utils.retrieval.ensemble import Ensemble
from utils.tasks import DEFAULT_KS, TASKS

if TYPE_CHECKING:
    from utils.api.limits import ApiOptions
    from utils.generators.cached import CachedGenerator
    from utils.schema import DatasetSpec, EncoderSpec, GeneratorSpec
    from utils.tasks import Settings


def open_run(
    args: argparse.Namespace,
    dataset: DatasetSpec,
    task: str,
    settings: Settings,
    folder: str,
    *,
    generator: GeneratorSpec | None = None,
    without_encoder: str | None = None,
) -> Run:
    """Return the run of a command line. No model is loaded yet.

    folder: the folder of the run below --output_dir.
    generator: the language model, for in-context learning.
    without_encoder: the name that takes the encoder's place in a run that encodes nothing.
    Raises UserError for flags that exclude each other.
    """
    device, sources = chosen_device(args), _chosen_sources(args)
    chosen = chosen_encoders(args) if without_encoder is None else []
    specs = resolve_encoders(args, [(name, prompt) for name, prompt, _ in chosen], sources)
    check_api_flags(args, specs, generator)
    weights = [weight for _, _, weight in chosen]
    known_weights = None if args.tune_weights else weights
    model = without_encoder or encoder_label(specs, known_weights)
    identity = Identity(
        task=task,
        dataset=dataset.name,
        model=model,
        source=planned_origin(dataset, sources),
        encoders=encoders_identity(specs, known_weights),
        settings=settings.identity(),
        generator=generator_identity(generator) if generator else None,
    )
    api = api_options(args), Budget(args.max_cost)
    encoders = [open_encoder(spec, device, sources.cache_dir, api) for spec in specs]
    return Run(
        dataset=dataset,
        sources=sources,
        ensemble=_ensemble(args, settings, encoders, weights, device),
        store=_store(args, settings, folder, identity, generator),
        ks=chosen_ks(args),
        metric=TASKS[task].metric_for(dataset.main_metric),
        arguments={name: shown_argument(value) for name, value in vars(args).items()},
        langs=args.langs,
        dry_run=args.dry_run,
        generator=_open_generator(generator, device, sources, api) if generator else None,
    )


def _ensemble(
    args: argparse.Namespace, settings: Settings, encoders: Sequence[Any], weights: Sequence[float], device: str
) -> Ensemble:
    return Ensemble(
        encoders,
        weights,
        similarity=getattr(settings, "similarity", "cosine"),
        fuse=settings.fuse,
        normalize=settings.normalize,
        device=device,
        precision="plain" if getattr(args, "exact_float32", False) else None,
    )


def _store(
    args: argparse.Namespace, settings: Settings, folder: str, identity: Identity, generator: GeneratorSpec | None
) -> RecordStore:
    name = f"{generator.name}/{identity.model}" if generator else identity.model
    debug, output = settings.limit is not None, args.output_dir.expanduser()
    place = run_folder(output, folder, identity.dataset, name, settings.seed, debug=debug)
    return RecordStore(place, identity, overwrite=args.overwrite, debug=debug)


def _open_generator(
    spec: GeneratorSpec, device: str, sources: Sources, api: tuple[ApiOptions, Budget]
) -> CachedGenerator:
    from utils.generators.cached import CachedGenerator

    return CachedGenerator(spec, device, sources.cache_dir, api)


def chosen_ks(args: argparse.Namespace) -> Ks:
    """Return the ks of the command line, or the default ones."""
    asked = getattr(args, "k", None)
    asked = [asked] if isinstance(asked, int) else asked
    return Ks(tuple(sorted(set(asked or DEFAULT_KS))), typed=asked is not None)


def _chosen_sources(args: argparse.Namespace) -> Sources:
    """Return where data are read from. Raises UserError if --data_dir is no folder."""
    data_dir = args.data_dir.expanduser() if args.data_dir else None
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(
            f"--data_dir {args.data_dir}: no such folder", "give the root of a mirror laid out as <owner>/<name>"
        )
    return Sources(data_dir, args.cache_dir.expanduser())


def resolve_encoders(
    args: argparse.Namespace, chosen: Sequence[tuple[str, str | None]], sources: Sources
) -> list[EncoderSpec]:
    """Return the spec of each encoder, given its name and its prompt (None: the default prompt)."""
    over_api = served_names([name for name, _ in chosen], args.base_url)
    return [
        api_encoder(
            name,
            args.base_url,
            prompt=prompt,
            input_type=args.input_type,
            dimensions=args.dimensions,
            batch_size=args.batch_size,
        )
        if name in over_api
        else resolve_encoder(
            name,
            sources.cache_dir,
            prompt=prompt,
            max_length=args.max_length,
            dtype=chosen_dtype(args),
            batch_size=args.batch_size,
            backend=args.backend,
        )
        for name, prompt in chosen
    ]


def check_api_flags(args: argparse.Namespace, specs: Sequence[EncoderSpec], generator: GeneratorSpec | None) -> None:
    """Raise UserError for API flags without an API model, and for flags that API models do not have."""
    over_api = [spec for spec in specs if spec.provider]
    if not over_api:
        for name in ("base_url", "input_type", "dimensions"):
            if getattr(args, name):
                hint = "choose one (--list shows them)" + (
                    "; the generator's address is --gen_base_url" if generator else ""
                )
                raise UserError(f"--{name} without an API encoder", hint)
    if not over_api and not (generator and generator.provider):
        refuse_idle_api_flags(args)
    if len(over_api) > 1 and args.base_url:
        names = ", ".join(spec.checkpoint for spec in over_api)
        print(
            f"note: {names} are requested at {args.base_url} (write openai:NAME for the members that are served there)",
            file=sys.stderr,
        )
    if over_api and args.backend != "torch":
        raise UserError(
            f"--backend with {over_api[0].name}",
            "the backend of an API model is its provider's choice: leave --backend out",
        )
    if over_api and args.max_length:
        raise UserError(
            f"--max_length with {over_api[0].name}",
            "an API model truncates texts at its own limit: leave --max_length out",
        )
