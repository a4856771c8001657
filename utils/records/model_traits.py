"""What a record tells of its encoders, its generator and its reranker beside their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from utils.api.providers import PROVIDERS
from utils.constants import DTYPES
from utils.encoders.registry import ENCODERS
from utils.records.trait_texts import Traits, as_text, quoted
from utils.rerankers.llm import INSTRUCTION as USUAL_TASK

FULL, *_ = DTYPES
OF_ENCODERS = (
    "prompt",
    "passage_prompt",
    "max_length",
    "dtype",
    "backend",
    "pooling",
    "attention",
    "layer",
    "dimensions",
    "embedding_precision",
    "input_type",
    "revision",
    "served_at",
)
OF_GENERATORS = ("revision", "dtype", "kind", "served_at")  # these come first in a name, others in their order
BY_NAME = ("checkpoint", "name", "quantization", "provider", "model", "weight")  # what the model's name tells
OF_CHECKPOINT = ("kind",)  # of an encoder, what its checkpoint is
PROMPTS = ("prompt", "passage_prompt")


def model_traits(run: Mapping[str, Any], without: Collection[str]) -> tuple[Traits, Traits]:
    """Return what departs from the plain in a record's encoders, generator and reranker, and what has no plain value.

    Of an ensemble each value is told with its encoder. without: traits of encoders that are left out.
    """
    told, free, members = Traits(), Traits(), _members(run)
    who = dict(zip(map(id, members), _names_of(members), strict=True))
    for name in (trait for trait in encoder_traits(run) if trait not in without):
        comparable = [member for member in members if _has_plain(member, name)]
        departing = [
            (who[id(member)], text) for member in comparable if (text := _of_encoder(member, name)) is not None
        ]
        if departing:
            told[name] = _joined(departing, len(members))
        others = [member for member in members if not _has_plain(member, name) and _is_told(member, name)]
        if others:
            texts = [(who[id(member)], _member_text(name, member[name])) for member in others]
            free[name] = _joined(texts, len(members))
    if len(members) > 1:  # the name of an ensemble leaves out the owners of its members
        free["of"] = _in_order(members)
    _of_generator(run, told, free)
    _of_reranker(run.get("reranker"), told, free)
    return told, free


def encoder_traits(run: Mapping[str, Any]) -> list[str]:
    """Return the names of what decides the vectors of a record's encoders, beside what their names tell."""
    known = (*OF_ENCODERS, *BY_NAME, *OF_CHECKPOINT)
    return [*OF_ENCODERS, *dict.fromkeys(name for member in _members(run) for name in member if name not in known)]


def _of_generator(run: Mapping[str, Any], told: Traits, free: Traits) -> None:
    """Add what departs in the generator."""
    generator = run.get("generator")
    generator = generator if isinstance(generator, dict) else {}
    for name in (*OF_GENERATORS, *(other for other in generator if other not in (*OF_GENERATORS, *BY_NAME))):
        value = generator.get(name)
        if name not in OF_GENERATORS or name == "dtype":
            if value not in (None, "", False, FULL):
                told[f"gen_{name}"] = as_text(value)
        elif value is not None or (name == "revision" and name in generator):
            free[f"gen_{name}"] = "" if value is None else as_text(value)


def _of_reranker(reranker: Any, told: Traits, free: Traits) -> None:
    """Add what departs in the reranker beside its name, which is a setting."""
    about = reranker if isinstance(reranker, dict) else {}
    for name in ("max_length", "instruction", "dtype", "revision", "served_at"):
        value = about.get(name)
        if (
            value in (None, "")
            or (name == "dtype" and value == FULL)
            or (name == "instruction" and value == USUAL_TASK)
        ):
            continue
        (free if name in ("revision", "served_at") else told)[f"rerank_{name}"] = as_text(value)


def _members(run: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    encoders = run.get("encoders")
    return [member for member in encoders if isinstance(member, dict)] if isinstance(encoders, list) else []


def _names_of(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the members' names without their owners, and with them where those of two checkpoints are alike."""
    whole = [str(member.get("checkpoint")) for member in members]
    alike = {name: {other for other in whole if other.split("/")[-1] == name.split("/")[-1]} for name in whole}
    return [name.split("/")[-1] if len(alike[name]) == 1 else name for name in whole]


def _in_order(members: Sequence[Mapping[str, Any]]) -> str:
    """Return the checkpoints of an ensemble, and the prompts of one that it has several times."""
    whole = [str(member.get("checkpoint")) for member in members]
    return " + ".join(
        name if whole.count(name) == 1 else f"{name} {_member_text('prompt', member.get('prompt'))}".rstrip()
        for name, member in zip(whole, members, strict=True)
    )


def _joined(texts: Sequence[tuple[str, str]], n_members: int) -> str:
    """Return the value that all members share, or each one's with its name."""
    values = {text for _, text in texts}
    if len(texts) == n_members and len(values) == 1:
        return values.pop()
    return ", ".join(f"{text or 'none'} of {who}" for who, text in texts)


def _is_told(member: Mapping[str, Any], name: str) -> bool:
    """Return whether a record says what an encoder's value was; a prompt of null is the checkpoint's own, or none."""
    return name in member and (name == "prompt" or member[name] is not None)


def _member_text(name: str, value: Any) -> str:
    """Return a value of an encoder as text; a prompt in quotation marks, since it may end in a blank."""
    if name == "prompt" and value is None:
        return "of the checkpoint"
    return quoted(as_text(value)) if name in PROMPTS and value else as_text(value)


def _has_plain(member: Mapping[str, Any], name: str) -> bool:
    """Return whether a value of an encoder can be compared with a plain one."""
    row = ENCODERS.get(str(member.get("checkpoint")))
    if name == "prompt":
        return row is not None
    return row is not None and row.revision is not None if name == "revision" else name != "served_at"


def _usual_input_type(member: Mapping[str, Any]) -> str | None:
    """Return what a provider is told of texts unless --input_type says otherwise; None where there is no provider."""
    provider = PROVIDERS.get(str(member.get("provider")))
    return provider.default_input_type if provider else None


def _of_encoder(member: Mapping[str, Any], name: str) -> str | None:
    """Return the value of an encoder as text, None where it is the plain one."""
    row = ENCODERS.get(str(member.get("checkpoint")))
    value = member.get(name)
    plain = {
        "prompt": row.prompt if row else None,
        "passage_prompt": row.passage_prompt if row else None,
        "passage_input_type": PROVIDERS[row.provider].passage_input_type if row and row.provider else None,
        "revision": row.revision if row else None,
        "dtype": FULL,
        "backend": "torch",
        "input_type": row.input_type if row else _usual_input_type(member),
    }
    return (
        None
        if value is None or value is False or value == plain.get(name) or (name == "dtype" and not value)
        else _member_text(name, value)
    )
