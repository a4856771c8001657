"""The manifest beside what was mined: inputs with their hashes, encoder, settings, counts, times and versions."""

from __future__ import annotations

import dataclasses
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
    """Raise UserError where the output cannot be written, or is there already and not of the same mining."""
    output = job.output
    if output.exists() and not output.is_file():
        what = f"--output {output} is {'a folder' if output.is_dir() else 'no file'}"
        raise UserError(what, "give the path of a file; the manifest is written beside it")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror})", "choose another --output") from error
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"{output} cannot be written (permission denied)", "choose another --output")
    if overwrite or not output.is_file():
        return
    known = (read_json(job.manifest) or {}).get("run") if job.manifest.is_file() else None
    if isinstance(known, dict) and isinstance(known.get("settings"), dict):  # earlier versions wrote that size too
        known = {**known, "settings": _without_shards(known["settings"])}
    if known != dict(identity):
        what = f"{job.output} is there, and other settings or another program made it"
        raise UserError(what, "choose another --output, or add --overwrite")


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
