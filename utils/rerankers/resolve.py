"""What a reranker's name means: a cross-encoder or a language model of a folder or the hub, or a model of an API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.api.providers import DEFAULT_PROVIDER, PROVIDERS, checked_url, server_label, split_name
from utils.api.rerank_endpoint import ENDPOINT
from utils.checkpoints import checkpoint_file, checkpoint_json, hub_revision, local_digest, local_label
from utils.constants import USUAL_DECODE
from utils.errors import UserError
from utils.generators.registry import GENERATORS
from utils.generators.resolve import kind_of_generator, resolve_local_generator, usual_dtype
from utils.loaders import API_RERANKER, CROSS_ENCODER_RERANKER, TRANSFORMERS
from utils.rerankers.flags import reranker_errors
from utils.rerankers.llm import INSTRUCTION
from utils.rerankers.registry import RERANKERS
from utils.rerankers.spec import API, CROSS_ENCODER, LLM, RerankerSpec
from utils.schema import EncoderSpec, GeneratorSpec


@dataclass(frozen=True)
class RerankOptions:
    """How a reranker is used; None leaves a value to the model.

    base_url: of a server with an endpoint /rerank. instruction is for language models; max_length, dtype and
    trust_remote_code (whether code of the checkpoint may run) are for local rerankers.
    """

    base_url: str | None = None
    instruction: str | None = None
    max_length: int | None = None
    dtype: str | None = None
    trust_remote_code: bool = False


def resolve_reranker(
    name: str, cache_dir: Path, options: RerankOptions | None = None, device: str = "cpu"
) -> RerankerSpec:
    """Return the full spec of a reranker. Raises UserError for a name that cannot be resolved.

    A folder or hub id with modules of sentence-transformers, or with a head for classification, is a cross-encoder;
    a causal language model is asked for yes or no. The precision defaults to bf16 for a language model on a GPU, else
    to fp32. Also raises UserError for options that the model does not have.
    """
    options = options or RerankOptions()
    if (provider := _provider_of(name, options)) is not None:
        return _api_spec(provider, split_name(name)[1], options)
    with reranker_errors():
        if name in GENERATORS and not GENERATORS[name].provider:
            model = resolve_local_generator(name, cache_dir, dtype=options.dtype or usual_dtype(device))
            return _llm_spec(model, options)
        return _checkpoint_spec(name, cache_dir, options, device)


def _provider_of(name: str, options: RerankOptions) -> str | None:
    prefix, bare = split_name(name)
    priced = (provider.name for provider in PROVIDERS.values() if bare in provider.search_prices)
    return prefix or next(priced, None) or (DEFAULT_PROVIDER if options.base_url else None)


def _api_spec(provider: str, name: str, options: RerankOptions) -> RerankerSpec:
    known = PROVIDERS[provider]
    typed = (options.base_url or "").strip()
    url = checked_url(typed, provider) if typed else ""
    if known.rerank is None:
        raise UserError(f"--rerank {name}", f"{known.title} has no reranking: choose another reranker")
    if not url and not known.search_prices:
        raise UserError(
            f"--rerank {provider}:{name} without --rerank_url",
            f"{known.title} has no reranking of its own: give the address of a server with {ENDPOINT}, such as "
            "http://localhost:8000/v1",
        )
    for flag in ("instruction", "max_length", "dtype"):
        if getattr(options, flag):
            raise UserError(f"--rerank_{flag} with {name}", "the server of an API model decides it: leave it out")
    listed = not url and name in known.search_prices
    label = server_label(name, url) if url else name if listed else f"{provider}/{name}"
    model = EncoderSpec(
        name,
        API_RERANKER,
        label=label,
        provider=provider,
        base_url=url,
        dtype="",
        licence="API",
    )
    return RerankerSpec(API, model)


def _checkpoint_spec(name: str, cache_dir: Path, options: RerankOptions, device: str) -> RerankerSpec:
    checkpoint, label, revision = _place(name, cache_dir)
    at = None if label else revision
    heads = checkpoint_json(checkpoint, at, "config.json").get("architectures") or []
    has_modules = checkpoint_file(checkpoint, at, "modules.json") is not None
    is_causal = any(str(head).endswith(("ForCausalLM", "LMHeadModel")) for head in heads)
    if is_causal and not has_modules:
        return _of_language_model(checkpoint, label, revision, options, device)
    is_classifier = any(str(head).endswith("ForSequenceClassification") for head in heads)
    declared = checkpoint_json(checkpoint, at, "config_sentence_transformers.json").get("model_type")
    if declared != "CrossEncoder" and not is_classifier and not (is_causal and has_modules):
        what = ", ".join(map(str, heads)) or "of no known kind"
        raise UserError(
            f"the checkpoint {label or name!r} is not a reranker: it is {what}",
            "--rerank takes a cross-encoder (a head for sequence classification) or a causal language model",
        )
    if options.instruction:
        raise UserError(f"--rerank_instruction with the cross-encoder {label or name}", "leave it out")
    encoder = EncoderSpec(
        checkpoint,
        CROSS_ENCODER_RERANKER,
        revision,
        label=label,
        max_length=options.max_length,
        dtype=options.dtype or "fp32",
        trust_remote_code=options.trust_remote_code,
    )
    return RerankerSpec(CROSS_ENCODER, encoder, max_length=options.max_length)


def _place(name: str, cache_dir: Path) -> tuple[str, str, str]:
    """Return the checkpoint, its label and its revision: of a folder by its content, of a hub id without a label."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        digest = local_digest(folder, cache_dir)
        return str(folder), local_label(folder, digest), f"sha256:{digest}"
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        prefixes = " or ".join(f"{provider}:NAME" for provider in PROVIDERS)
        raise UserError(
            f"--rerank {name}: no such folder",
            f"give the folder of a cross-encoder or of a causal language model, a hub id, or {prefixes} (an API)",
        )
    return name, "", hub_revision(name, RERANKERS)


def _of_language_model(checkpoint: str, label: str, revision: str, options: RerankOptions, device: str) -> RerankerSpec:
    at = None if label else revision
    model_type = checkpoint_json(checkpoint, at, "config.json").get("model_type")
    kind = "base" if model_type == "qwen3" else kind_of_generator(checkpoint, at)
    model = GeneratorSpec(
        checkpoint,
        TRANSFORMERS,
        kind,
        revision,
        USUAL_DECODE[kind],
        dtype=options.dtype or ("fp32" if device == "cpu" else "bf16"),
        label=label,
        trust_remote_code=options.trust_remote_code,
    )
    return _llm_spec(model, options, "qwen3" if model_type == "qwen3" else "")


def _llm_spec(model: GeneratorSpec, options: RerankOptions, form: str = "") -> RerankerSpec:
    if model.kind == "seq2seq":
        raise UserError(f"--rerank {model.name}: a sequence-to-sequence model", "give a causal language model")
    instruction = INSTRUCTION if options.instruction is None else options.instruction
    return RerankerSpec(LLM, model, form or model.kind, instruction, options.max_length)
