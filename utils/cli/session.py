"""What a command line stands for, alike in every script: the data, the encoders, the folder of the records."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.api.limiter import Budget
from utils.cli.choices import api_options, chosen_device, chosen_dtype, chosen_encoders, refuse_idle_api_flags
from utils.data.sources import Where, planned_origin
from utils.encoders import cached
from utils.encoders.api import ApiEncoder
from utils.encoders.resolve import api_encoder, resolve_encoder, served_names
from utils.errors import UserError
from utils.files import read_json, write_json
from utils.records import store
from utils.records.identity import _api_identity
from utils.records.paths import encoder_label, record_path, run_folder
from utils.records.provenance import _shown, environment, utc_now
from utils.retrieval.fusion import fused_topk, tune
from utils.retrieval.missing_vectors import without_gaps
from utils.retrieval.topk import concatenate

if TYPE_CHECKING:
    from utils.api.client import Traffic
    from utils.generators.cached import CachedGenerator
    from utils.schema import DatasetSpec, EncoderSpec, Rows, RunRecord, TopK

DEFAULT_KS = (1, 5, 10)


class Session:
    """One command: its dataset, its encoders, its device and its folder of records; UserError where one is wrong."""

    def __init__(
        self,
        args: argparse.Namespace,
        dataset: DatasetSpec,
        run: str,
        settings: Sequence[str],
        *,
        task: str | None = None,
        without_encoder: str | None = None,
    ) -> None:
        """`run` names the folder below --output_dir; `settings` names the arguments that decide a figure.

        `without_encoder` is what stands in an encoder's place where nothing is encoded.
        """
        self.args, self.dataset, self.started = args, dataset, utc_now()
        self.task, self.run = task or dataset.task, run
        self.device = chosen_device(args)
        data_dir = args.data_dir.expanduser() if args.data_dir else None
        if data_dir is not None and not data_dir.is_dir():
            raise UserError(
                f"--data_dir {args.data_dir}: no such folder", "give the root of a mirror laid out as <owner>/<name>"
            )
        self.where = Where(data_dir, args.cache_dir.expanduser())
        chosen = chosen_encoders(args) if without_encoder is None else []
        self.weights = [weight for _, _, weight in chosen]
        over_api = served_names([name for name, _, _ in chosen], args.base_url)
        self.specs = [self._resolve(name, prompt, name in over_api) for name, prompt, _ in chosen]
        self.api = api_options(args), Budget(args.max_cost)
        self._check_api_flags()
        self.encoders = [cached.open_encoder(spec, self.device, self.where.cache_dir, self.api) for spec in self.specs]
        tuned = None if args.tune_weights else self.weights
        self.model = without_encoder or encoder_label(self.specs, tuned)
        self.generator: CachedGenerator | None = None
        self.folder = self._folder(self.model)
        self.tuned: dict[str, Any] | None = None  # the weights chosen on validation data, and the grid
        self._to_ask: dict[str, dict[str, None]] = {}  # --dry_run: the distinct texts that each API lacks
        self._settings = {name: getattr(args, name) for name in (*settings, "fuse", "normalize", "seed", "limit")}

    def _folder(self, model: str) -> Path:
        args, name = self.args, self.dataset.name
        return run_folder(args.output_dir.expanduser(), self.run, name, model, args.seed, debug=args.limit is not None)

    def use_generator(self, generator: CachedGenerator) -> None:
        """Answer by this generator: its name leads the encoder's in the records' folder."""
        if generator.traffic is None and not any(spec.provider for spec in self.specs):
            refuse_idle_api_flags(self.args)
        self.generator = generator
        self.folder = self._folder(f"{generator.spec.name}/{self.model}")

    def _check_api_flags(self) -> None:
        """Raise UserError for flags of APIs where no encoder is one, and for the reverse."""
        args, over_api = self.args, [spec for spec in self.specs if spec.provider]
        if not over_api:
            for name in ("base_url", "input_type", "dimensions"):
                if getattr(args, name):
                    hint = "name one (--list shows them)" + ("; a generator's is --gen_base_url" * (self.task == "icl"))
                    raise UserError(f"--{name} without an encoder of an API", hint)
        if not over_api and self.task != "icl":
            refuse_idle_api_flags(args)
        if len(over_api) > 1 and args.base_url:
            names = ", ".join(spec.checkpoint for spec in over_api)
            print(f"note: asked at {args.base_url}: {names} (openai:NAME says which members are)", file=sys.stderr)
        if over_api and args.backend != "torch":
            raise UserError(f"--backend with {over_api[0].name}", "an API decides how it computes: leave it out")
        if over_api and args.max_length:
            raise UserError(
                f"--max_length with {over_api[0].name}", "an API cuts texts where its model does: leave it out"
            )

    def _resolve(self, name: str, prompt: str | None, over_api: bool) -> EncoderSpec:
        args = self.args
        if over_api:
            return api_encoder(
                name,
                args.base_url,
                prompt=prompt,
                input_type=args.input_type,
                dimensions=args.dimensions,
                batch_size=args.batch_size,
            )
        return resolve_encoder(
            name,
            self.where.cache_dir,
            prompt=prompt,
            max_length=args.max_length,
            dtype=chosen_dtype(args),
            batch_size=args.batch_size,
            backend=args.backend,
        )

    def identity(self, subset: str) -> dict[str, Any]:
        """Return the settings that decide a subset's figures: records with equal ones are the same."""
        members = [
            {
                "checkpoint": spec.name,
                "revision": spec.revision,
                "prompt": spec.prompt,
                "max_length": spec.max_length,
                "dtype": spec.dtype,
                **({"backend": spec.backend} if spec.backend != "torch" else {}),
                "weight": "tuned" if self.args.tune_weights else weight,
                **_api_identity(spec),
            }
            for spec, weight in zip(self.specs, self.weights, strict=True)
        ]
        source = planned_origin(self.dataset, self.where)
        names = {"task": self.task, "dataset": self.dataset.name, "subset": subset, "model": self.model}
        return {**names, "source": source, "encoders": members, **self._generator_identity(), **self._settings}

    def _generator_identity(self) -> dict[str, Any]:
        if self.generator is None:
            return {}
        spec = self.generator.spec
        names = ("name", "revision", "kind", "dtype", "quantization")
        return {"generator": {**{name: getattr(spec, name) for name in names}, **_api_identity(spec)}}

    def is_done(self, subset: str, k: int) -> bool:
        """Return whether this subset's record at k is there; --limit runs are always made anew."""
        fresh = self.args.overwrite or self.args.limit is not None
        return store.is_done(record_path(self.folder, subset, k), self.identity(subset), overwrite=fresh)

    def asked_ks(self) -> list[int]:
        """Return the ks of the command line, or the usual ones."""
        asked = [self.args.k] if isinstance(self.args.k, int) else self.args.k
        return sorted(set(asked or DEFAULT_KS))

    def allowed_ks(self, subset: str, n_candidates: int) -> list[int]:
        """Return the ks that the candidates allow; a too large one is left out with a note, or an error if typed."""
        too_large = [k for k in self.asked_ks() if k > n_candidates]
        if too_large and self.args.k is not None:
            raise UserError(
                f"--k {too_large[0]}, but {subset} has {n_candidates} candidates", f"give 1 to {n_candidates}"
            )
        if too_large:
            print(
                f"note: {subset} has {n_candidates} candidates: k = {', '.join(map(str, too_large))} left out",
                file=sys.stderr,
            )
        return [k for k in self.asked_ks() if k <= n_candidates]

    def embed(self, queries: Sequence[str], candidates: Sequence[str]) -> list[tuple[Rows, Rows]]:
        """Return the rows of both sides, (n, d) and (m, d), from each encoder."""
        return [encoder.embed(queries, candidates) for encoder in self.encoders]

    def vectors(self, texts: Sequence[str]) -> Rows:
        """Return one unit row a text (n, d), whose cosines are the encoders' weighted mean; NaN where one has none."""
        members = [encoder.embed(texts[:1], texts)[1] for encoder in self.encoders]  # a fitted one learns from all
        return concatenate(members, self.weights)

    def search(self, members: Sequence[tuple[Rows, Rows]], k: int, weights: Sequence[float] | None = None) -> TopK:
        """Return the k nearest candidates of each query, the encoders joined as the command line says."""
        how = {name: getattr(self.args, name) for name in ("fuse", "normalize", "similarity")}

        def search(there: Sequence[tuple[Rows, Rows]], k: int) -> TopK:
            return fused_topk(there, weights or self.weights, k, **how, device=self.device, precision=self.precision)

        return without_gaps(members, k, search)

    def likeness(self, members: Sequence[Rows]) -> Callable[[Any], Any]:
        """Return a function from indices (m,) to the pairwise weighted cosines (m, m) of one side's rows, float64."""
        rows = concatenate(members, self.weights)

        def of(indices: Any) -> Any:
            chosen = rows[indices].astype("float64")
            return chosen @ chosen.T

        return of

    @property
    def precision(self) -> str | None:
        """The scan's precision: the fastest, or the plain float32 of --exact_float32."""
        return "plain" if self.args.exact_float32 else None

    @property
    def member_names(self) -> list[str]:
        """The encoders' names, numbered where one stands twice."""
        names = [spec.name for spec in self.specs]
        return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names, start=1)]

    def alone(self, members: Sequence[tuple[Rows, Rows]], k: int) -> dict[str, TopK]:
        """Return each encoder's own neighbours, by its name; nothing where there is only one."""
        if len(members) == 1:
            return {}
        return {name: self.search([member], k) for name, member in zip(self.member_names, members, strict=True)}

    def tune(self, evaluate: Callable[[Sequence[float]], float]) -> None:
        """Choose the weights by a score on validation data, or take those that a run before chose, and log the grid."""
        path = self.folder / "tuned_weights.json"
        identity = json.loads(json.dumps({**self.identity(""), "langs": self.args.langs}))
        there = read_json(path) if path.is_file() and not self.args.overwrite else None
        if there is None or there.get("identity") != identity:
            weights, grid = tune(len(self.specs), evaluate)
            there = {"weights": list(weights), "split": "validation", "grid": grid, "identity": identity}
            if not self.args.dry_run:
                write_json(path, there, indent=2)
        self.weights = there["weights"]
        self.tuned = {"split": "validation", "weights": there["weights"], "grid": there["grid"]}
        print(f"weights chosen on the validation split: {' '.join(map(str, self.weights))}")

    def provenance(self, subset: str, seconds: Mapping[str, float]) -> dict[str, Any]:
        """Return the `run` part of a record: the settings, and all else that is needed to get the figure again."""
        return {
            **self.identity(subset),
            "device": self.device,
            **({"tuned": self.tuned} if self.tuned else {}),
            "args": {name: _shown(value) for name, value in vars(self.args).items()},
            **environment(),
            "started": self.started,
            "seconds": dict(seconds),
            "cache": {part.spec.name: dict(part.counts) for part in (*self.encoders, self.generator) if part},
            **({"api": {name: traffic.usage() for name, traffic in self._traffics()}} if self._traffics() else {}),
        }

    def _traffics(self) -> list[tuple[str, Traffic]]:
        """Return what counts the requests to APIs, by the models' names."""
        parts = [(part.spec.name, getattr(part, "traffic", None)) for part in (*self.encoders, self.generator) if part]
        return [(name, traffic) for name, traffic in parts if traffic is not None]

    def run_subsets(self, names: Sequence[str], evaluate: Callable[[str], None]) -> None:
        """Evaluate what is not logged yet, with a bar; a record of other settings ends the run before it starts."""
        from tqdm import tqdm

        ready = [name for name in names if all(self.is_done(name, k) for k in self.asked_ks())]
        if ready:
            print(f"{len(ready)} of {len(names)} subsets are already logged (--overwrite computes them again)")
        todo = [name for name in names if name not in ready]
        with tqdm(todo, unit=" subsets", disable=None) as bar:
            for name in bar:
                bar.set_description(name)
                for _, traffic in self._traffics():
                    traffic.mark()
                evaluate(name)

    def print_scores(self, names: Iterable[str], metric: str) -> None:
        """Print one metric of every subset and k as percentages, their means, and where the records are."""
        from tabulate import tabulate

        found: dict[str, dict[int, float]] = {}
        for name in names:
            for k in self.asked_ks():
                path = record_path(self.folder, name, k)
                content = read_json(path) if path.is_file() else None
                if content is not None:
                    found.setdefault(name, {})[k] = 100 * content[metric]
        ks = sorted({k for row in found.values() for k in row})
        rows = [[name, *(row.get(k) for k in ks)] for name, row in found.items()]
        if len(found) > 1:
            columns = [[row[k] for row in found.values() if k in row] for k in ks]
            rows.append(["mean", *(sum(column) / len(column) for column in columns)])
        print(tabulate(rows, [f"{self.dataset.name}: {metric} at k", *map(str, ks)], floatfmt=".2f"))
        print(f"logs: {self.folder}")

    def log(
        self,
        subset: str,
        record: RunRecord,
        predictions: Mapping[str, Any],
        about: Mapping[str, Any],
        seconds: Mapping[str, float],
        prompts: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a record with its provenance, what the task says about its data, and the prompts where it has any."""
        run = {**self.provenance(subset, seconds), **about}
        store.write_record(self.folder, subset, dataclasses.replace(record, run=run), predictions, prompts)

    def plan_cells(self, subset: str, texts: Sequence[str]) -> tuple[str, str]:
        """Return how many texts each encoder has to encode, and which records are there."""
        done = [k for k in self.asked_ks() if self.is_done(subset, k)]
        return self.plan_encoding(texts), f"logged: k = {', '.join(map(str, done))}" if done else "to do"

    def plan_encoding(self, texts: Sequence[str]) -> str:
        """Return how many texts each encoder has to encode."""
        for encoder in self.encoders:
            if isinstance(encoder, ApiEncoder):
                self._to_ask.setdefault(encoder.spec.name, {}).update(dict.fromkeys(encoder.missing(texts)))
        return " + ".join(str(encoder.n_missing(texts)) for encoder in self.encoders)

    def print_plan(self, rows: Iterable[Sequence[Any]], headers: Sequence[str], outputs: str = "") -> None:
        """Print what a run would do (--dry_run), and where its outputs go (default: the folder of the logs)."""
        from tabulate import tabulate

        generator = f"generator {self.generator.spec.name}, " if self.generator else ""
        place = f"({self.dataset.source}), {generator}encoder {self.model}, device {self.device}"
        print(f"dataset {self.dataset.name} {place}")
        print(tabulate(rows, headers))
        for encoder in self.encoders:
            if isinstance(encoder, ApiEncoder):
                print(encoder.traffic.quote(*encoder.plan(list(self._to_ask.get(encoder.spec.name, {})))))
        print(outputs or f"logs: {self.folder}")
