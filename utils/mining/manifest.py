"""The manifest beside what was mined: inputs with their hashes, encoder, settings, counts, times and versions."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from utils.errors import UserError
from utils.files import read_json, sha256_of, write_json
from utils.records.identity import encoders_identity
from utils.records.provenance import environment, public_argument, utc_now

if TYPE_CHECKING:
    from utils.mining.settings import Mined, MiningJob, Settings
    from utils.schema import EncoderSpec


def identity_of(job: MiningJob[Settings], spec: EncoderSpec) -> dict[str, Any]:
    """Return what decides what a mining finds beside the content of its files; the size of the shards does not."""
    encoder = encoders_identity([spec], [1.0])[0]
    del encoder["weight"]
    sides = {
        side.name: {
            "files": [public_argument(path) for path in side.files],
            "columns": side.columns,
        }
        for side in job.collections
    }
    cleaning = dict(zip(sides, map(dataclasses.asdict, job.cleaning), strict=True))
    settings = _without_shards(vars(job.settings))
    return {"task": job.task, "collections": sides, "cleaning": cleaning, "encoder": encoder, "settings": settings}


def _without_shards(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "shard_size"}


def check_output(job: MiningJob[Settings], identity: Mapping[str, Any], *, overwrite: bool) -> None:
    """Raise UserError where the output cannot be written, or is there already and not of the same mining.

    An output that is an input is refused in any case, as is one whose name, or that of its manifest, is too long.
    """
    output = job.output
    _check_names(job)
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"{output} cannot be written (permission denied)", "choose another --output")
    if overwrite or not output.is_file():
        return
    known = _manifest_of(job)
    run = _told(known, "run")
    if isinstance(_told(run, "settings"), dict):  # earlier versions wrote that size too
        run = {**run, "settings": _without_shards(run["settings"])}
    if known is None or run != dict(identity):
        what = f"{job.output} is there, and other settings or another program made it"
        raise UserError(what, "choose another --output, or add --overwrite")
    if changed := _changed_input(job, known):
        what = f"{job.output} is there, and {changed} has changed since it was mined"
        raise UserError(what, "choose another --output, or add --overwrite")


def _check_names(job: MiningJob[Settings]) -> None:
    """Raise UserError where the output is no file, where what is written is an input, or where a name is too long."""
    output = job.output
    inputs = [file for side in job.collections for file in side.files] + ([job.gold] if job.gold else [])
    try:
        if output.exists() and not output.is_file():
            what = f"--output {output} is {'a folder' if output.is_dir() else 'no file'}"
            raise UserError(what, "give the path of a file; the manifest is written beside it")
        known = {file.resolve() for file in inputs}
        for path, what in ((output, "is an input"), (job.manifest, "would be its manifest, and is an input")):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                path.stat()
            if path.resolve() in known:
                raise UserError(f"--output {output}: {path.name} {what} of this mining", "choose another --output")
    except (OSError, RuntimeError) as error:  # resolve() has a RuntimeError for links in a circle
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{output} cannot be written ({why})", "choose another --output") from error


def _manifest_of(job: MiningJob[Settings]) -> dict[str, Any] | None:
    """Return the manifest of the output, also under its name of earlier versions; None where there is none."""
    for path in job.manifests:
        known = read_json(path) if path.is_file() else None
        if known is not None and (path == job.manifest or _told(known, "output", "file") == job.output.name):
            return known
    return None


def _changed_input(job: MiningJob[Settings], known: Mapping[str, Any]) -> str | None:
    """Return the name of the first file of the collections whose content is not that in a manifest."""
    for side in job.collections:
        told = _told(known, "inputs", side.name, "files")
        hashes = [_told(one, "sha256") for one in told] if isinstance(told, list) else []
        for file, now, sha256 in itertools.zip_longest(side.files, side.hashes(), hashes):
            if file is None or now != sha256:
                return str(file or side.name)
    return None


def _told(content: Any, *names: str) -> Any:
    """Return the entry of JSON objects in each other, None where it is not there."""
    for name in names:
        content = content.get(name) if isinstance(content, dict) else None
    return content


def write_manifest(
    job: MiningJob[Settings],
    identity: Mapping[str, Any],
    mined: Mined,
    arguments: Mapping[str, Any],
    more: Mapping[str, Any],
) -> None:
    """Write the manifest of a mining beside its output; `more` is what the search tells of itself."""
    names = (collection.name for collection in job.collections)
    inputs = {name: store.about for name, store in zip(names, mined.texts, strict=True)}
    if job.gold:
        inputs["gold"] = {"file": job.gold.name, "sha256": sha256_of(job.gold)}
    content = {
        "run": dict(identity),
        "inputs": inputs,
        "counts": mined.counts,
        **mined.findings(),
        **more,
        "output": {"file": job.output.name, "sha256": sha256_of(job.output)},
        "seconds": mined.seconds,
        "written": utc_now(),
        "arguments": dict(arguments),
        "environment": environment(),
    }
    write_json(job.manifest, content, indent=1)
