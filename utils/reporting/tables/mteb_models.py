"""The suite's models as mteb describes them: names, revisions, and model_meta.json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from utils.constants import DENSE, MULTI_VECTOR

NO_REVISION = "no_revision_available"  # mteb's term
UNKNOWN = (  # keys of model_meta.json whose values a record does not have
    *("loader", "release_date", "languages", "n_parameters", "memory_usage_mb", "license", "open_weights"),
    *("public_training_code", "public_training_data", "training_datasets"),
)
OF_PASSAGES = ("passage_prompt", "passage_input_type")  # settings that tasks on one kind of text do not have
Place = tuple[str, str]  # the model as mteb names it, and its revision


def model_name(run: Mapping[str, Any]) -> str:
    """Return the model's name for mteb, `owner/name`; an ensemble is `ensemble/` and its members joined by +."""
    encoders, name = run["encoders"], str(run["model"])
    if len(encoders) > 1:  # mteb reads two underscores as a slash
        ways = [run.get("fuse", "score"), run.get("normalize", "none")]
        return "+".join([f"ensemble/{name.replace('__', '+')}", *(way for way in ways if way not in ("score", "none"))])
    return name if "/" in name else f"{encoders[0].get('provider') or 'local'}/{name}"


def revision(run: Mapping[str, Any]) -> str:
    """Return the revision of a single encoder as the name of a folder."""
    encoders = run["encoders"]
    told = encoders[0].get("revision") if len(encoders) == 1 else None
    return folder_name(str(told)) if told else NO_REVISION


def folder_name(name: str) -> str:
    """Return a name that is safe as the name of one folder: no separators, no leading dots."""
    return re.sub(r"[^\w.=+-]", "_", name).lstrip(".") or NO_REVISION


def encoder_settings(run: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the settings of the encoders but those in `without`, and no weights that were tuned for each data set."""
    hidden = (*without, *(("weight",) if "tuned" in run else ()))
    members = [{name: value for name, value in member.items() if name not in hidden} for member in run["encoders"]]
    return {"encoders": members}


def model_meta(place: Place, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of model_meta.json (mteb's ModelMeta); values that a record does not have are null.

    `loader_kwargs` has the settings of the encoders.
    """
    encoders = run["encoders"]
    size, lengths = run.get("dimensions"), {encoder.get("max_length") for encoder in encoders}
    return {
        "name": place[0],
        "revision": place[1],
        **dict.fromkeys(UNKNOWN),
        "loader_kwargs": encoder_settings(run),
        "max_tokens": lengths.pop() if len(lengths) == 1 else None,
        "embed_dim": size if isinstance(size, int) else None,
        "framework": sorted({name for encoder in encoders for name in _frameworks(encoder)}),
        "similarity_fn_name": _similarity(run),
        "use_instructions": any(encoder.get("prompt") for encoder in encoders),
    }


def _similarity(run: Mapping[str, Any]) -> str | None:
    """Return how mteb calls what texts are compared by; None for what it has no name for."""
    kinds = {encoder.get("kind", DENSE) for encoder in run["encoders"]}
    if run.get("fuse", "score") != "score" or (MULTI_VECTOR in kinds and len(run["encoders"]) > 1):
        return None
    return "MaxSim" if MULTI_VECTOR in kinds else str(run.get("similarity", "cosine"))


def _frameworks(encoder: Mapping[str, Any]) -> tuple[str, ...]:
    if encoder["checkpoint"].startswith("baseline/"):
        return ("NumPy",)
    if encoder.get("provider"):
        return ("API",)
    backend = {"onnx": "ONNX", "openvino": "OpenVINO"}.get(encoder.get("backend", "torch"), "PyTorch")
    return ("Sentence Transformers", backend)
