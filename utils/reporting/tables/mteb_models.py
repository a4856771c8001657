"""What mteb calls our models: names, revisions, and its model_meta.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NO_REVISION = "no_revision_available"  # mteb's word for it
UNKNOWN = (  # of a model, to a record
    *("loader", "release_date", "languages", "n_parameters", "memory_usage_mb", "license", "open_weights"),
    *("public_training_code", "public_training_data", "training_datasets"),
)
Place = tuple[str, str]  # the model as mteb names it, and its revision


def model_name(run: Mapping[str, Any]) -> str:
    """Return the model as mteb names it, `owner/name`; an ensemble's owner is `ensemble`, its members joined by +."""
    encoders, name = run["encoders"], str(run["model"])
    if len(encoders) > 1:  # mteb reads two underlines as a slash
        ways = [run.get("fuse", "score"), run.get("normalize", "none")]
        return "+".join([f"ensemble/{name.replace('__', '+')}", *(way for way in ways if way not in ("score", "none"))])
    return name if "/" in name else f"{encoders[0].get('provider') or 'local'}/{name}"


def revision(run: Mapping[str, Any]) -> str:
    """Return the revision of a single encoder, as a folder's name."""
    encoders = run["encoders"]
    told = encoders[0].get("revision") if len(encoders) == 1 else None
    return folder_name(str(told)) if told else NO_REVISION


def folder_name(name: str) -> str:
    """Return a name that is one folder's, inside the folder that it is in."""
    return re.sub(r"[^\w.=+-]", "_", name).lstrip(".") or NO_REVISION


def asked(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the encoders were asked; weights tuned for each data set are no part of it."""
    hidden = ("weight",) if "tuned" in run else ()
    members = [{name: value for name, value in member.items() if name not in hidden} for member in run["encoders"]]
    return {"encoders": members}


def model_meta(place: Place, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of model_meta.json (mteb's ModelMeta); what a record does not tell is null.

    `loader_kwargs` says how the encoders were asked.
    """
    encoders = run["encoders"]
    size, lengths = run.get("dimensions"), {encoder.get("max_length") for encoder in encoders}
    return {
        "name": place[0],
        "revision": place[1],
        **dict.fromkeys(UNKNOWN),
        "loader_kwargs": asked(run),
        "max_tokens": lengths.pop() if len(lengths) == 1 else None,
        "embed_dim": size if isinstance(size, int) else None,
        "framework": sorted({name for encoder in encoders for name in _frameworks(encoder)}),
        "similarity_fn_name": "cosine" if run.get("fuse", "score") == "score" else None,
        "use_instructions": any(encoder.get("prompt") for encoder in encoders),
    }


def _frameworks(encoder: Mapping[str, Any]) -> tuple[str, ...]:
    if encoder["checkpoint"].startswith("baseline/"):
        return ("NumPy",)
    if encoder.get("provider"):
        return ("API",)
    backend = {"onnx": "ONNX", "openvino": "OpenVINO"}.get(encoder.get("backend", "torch"), "PyTorch")
    return ("Sentence Transformers", backend)
