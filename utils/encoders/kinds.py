"""What the files of a checkpoint say before it is loaded: its kind of encoder, and its own prompt."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

from utils.checkpoints import check_adapter, checkpoint_file, checkpoint_json
from utils.constants import DENSE, MULTI_VECTOR, SPARSE
from utils.encoders.decoders import FAMILIES
from utils.encoders.static import is_model2vec
from utils.errors import UserError

CROSS_ENCODER = "a cross-encoder, which scores a pair of texts and has no vectors"
OF_IMAGES = "a multi-vector encoder of images (ColPali), which takes texts as queries only"
UNNAMED_COLBERT = (
    "a ColBERT by its artifact.metadata, but its config.json does not say HF_ColBERT, so that the projection of its "
    "vectors would be drawn at random"
)
TYPES = {"CrossEncoder": CROSS_ENCODER, "SparseEncoder": SPARSE, "MultiVectorEncoder": MULTI_VECTOR}
TYPES |= {"ColBERT": MULTI_VECTOR}
MODULES = {  # parts of the names of modules, in lower case
    "sparse_encoder": SPARSE,
    "splade": SPARSE,
    "mlmtransformer": SPARSE,
    "multi_vector_encoder": MULTI_VECTOR,
    "pylate": MULTI_VECTOR,
    "colbert": MULTI_VECTOR,
    "cross_encoder": CROSS_ENCODER,
    "logitscore": CROSS_ENCODER,
}
HEADS = {  # ends of the names of architectures
    "ForSequenceClassification": "a classifier or cross-encoder, which scores texts and has no vectors",
    "ForTokenClassification": "a tagger of tokens, which has no vectors of texts",
    "ForQuestionAnswering": "a model for extracting answers, which has no vectors of texts",
    "ForMultipleChoice": "a model for multiple choice, which has no vectors of texts",
    "ForRetrieval": OF_IMAGES,
    "ColBERT": MULTI_VECTOR,
}
CAUSAL = ("ForCausalLM", "LMHeadModel")
GENERATORS = (*CAUSAL, "DoubleHeadsModel", "ModelWithLMHead", "ForConditionalGeneration")
E5 = re.compile(r"(?<![a-z0-9])e5(?![a-z0-9])", re.IGNORECASE)  # in the name of a checkpoint
STATIC, DECODER = "static", "decoder"  # dense encoders of other models than encoders with attention
MEAN = "the mean of those of its tokens"
CONFIGURATION = "config_sentence_transformers.json"
LIBRARYS_PROMPTS = ("query", "document")  # that a checkpoint has, empty where its configuration has none of the name
DOCUMENT_PROMPTS = ("document", "passage", "corpus")  # the first that there is stands before documents


@dataclass(frozen=True)
class Kind:
    """The kind of an encoder's rows (utils/constants.py), how they are compared, and whether the sides differ.

    model: of a dense encoder, STATIC or DECODER; empty for others.
    """

    kind: str
    own_similarity: str = ""
    has_sides: bool = False
    model: str = ""


def kind_of_encoder(checkpoint: str, revision: str | None, name: str, *, tells_pooling: bool = True) -> Kind:
    """Return the kind of a checkpoint's encoder; `tells_pooling`: with a note on how a plain language model pools.

    Raises UserError for a checkpoint that is no encoder of texts but would load as one; it says what it is. Also for
    one with an adapter that cannot be loaded.
    revision: the commit on the hub, None for a folder.
    """
    check_adapter(checkpoint, revision, name)
    _check_default_prompt(checkpoint, revision, name)
    kind = _kind(checkpoint, revision) or DENSE
    if kind not in (DENSE, SPARSE, MULTI_VECTOR):
        raise UserError(
            f"the checkpoint {name!r} is not an encoder: it is {kind}",
            "retrieval.py and bitext.py take cross-encoders as rerankers, and no command takes other such models: "
            "--model_checkpoint takes encoders of texts, dense, sparse (SPLADE) or "
            "multi-vector ones (ColBERT) (to pool its token vectors all the same, save its body: "
            "AutoModel.from_pretrained(A).save_pretrained(B))",
        )
    is_routed = any("router" in module or "asym" in module for module in _modules(checkpoint, revision))
    if kind == DENSE:
        if tells_pooling:
            _tell_pooling(checkpoint, revision, name)
        return Kind(DENSE, has_sides=is_routed, model=_model(checkpoint, revision))
    configuration = checkpoint_json(checkpoint, revision, CONFIGURATION)
    said, usual = configuration.get("similarity_fn_name"), "maxsim" if kind == MULTI_VECTOR else "dot"
    known = ("maxsim", "meanmaxsim") if kind == MULTI_VECTOR else ("cosine", "dot", "euclidean", "manhattan")
    prompts = _prompts(configuration)
    for key, text in prompts.items():
        _check_prompt(name, key, text)
    of_documents = next((prompts[key] for key in DOCUMENT_PROMPTS if key in prompts), None)
    differs = kind == MULTI_VECTOR or is_routed or prompts.get("query") != of_documents
    return Kind(kind, str(said) if said in known else usual, differs)


def _kind(checkpoint: str, revision: str | None) -> str | None:
    """Return what a checkpoint is where its rows are not dense: a kind of encoder, or something else; else None."""
    declared = checkpoint_json(checkpoint, revision, CONFIGURATION).get("model_type")
    if isinstance(declared, str) and declared in TYPES:
        return TYPES[declared]
    modules = _modules(checkpoint, revision)
    for part, kind in MODULES.items():
        if any(part in module for module in modules):
            return kind
    if modules:
        return None
    heads = _architectures(checkpoint, revision)
    if checkpoint_file(checkpoint, revision, "artifact.metadata") is not None:  # what the authors of ColBERT write
        return MULTI_VECTOR if "HF_ColBERT" in heads else UNNAMED_COLBERT
    return next((kind for end, kind in HEADS.items() if any(head.endswith(end) for head in heads)), None)


def _tell_pooling(checkpoint: str, revision: str | None, name: str) -> None:
    """Print a note on the vectors of a language model that says nothing of them itself."""
    heads = _architectures(checkpoint, revision)
    if not _modules(checkpoint, revision) and any(head.endswith(GENERATORS) for head in heads):
        is_causal = checkpoint_json(checkpoint, revision, "config.json").get("is_causal", True)
        pooled = "that of its last token" if heads[0].endswith("ForCausalLM") and is_causal else MEAN
        print(f"note: {name} is a language model: the vector of a text is {pooled}", file=sys.stderr)


def _model(checkpoint: str, revision: str | None) -> str:
    """Return whether a dense encoder is STATIC or a DECODER; empty for another one."""
    if any("staticembedding" in module for module in _modules(checkpoint, revision)):
        return STATIC
    if is_model2vec(checkpoint, revision):
        return STATIC
    heads, configuration = _architectures(checkpoint, revision), checkpoint_json(checkpoint, revision, "config.json")
    if configuration.get("is_causal") is False or configuration.get("use_bidirectional_attention"):
        return ""
    is_causal = any(head.endswith(CAUSAL) for head in heads) or str(configuration.get("model_type")) in FAMILIES
    return DECODER if is_causal else ""


def _architectures(checkpoint: str, revision: str | None) -> list[str]:
    names = checkpoint_json(checkpoint, revision, "config.json").get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _modules(checkpoint: str, revision: str | None) -> list[str]:
    """Return the types of a checkpoint's modules in lower case; none where modules.json is missing or broken."""
    try:
        rows = json.loads(checkpoint_file(checkpoint, revision, "modules.json") or b"[]")
    except (ValueError, RecursionError):
        return []
    rows = rows if isinstance(rows, list) else []
    return [str(row.get("type", "")).lower() for row in rows if isinstance(row, dict)]


def tell_unused_code(checkpoint: str, revision: str | None, name: str) -> None:
    """Print a note where a checkpoint has code of its own for its model, and is computed by the library's instead."""
    configuration = checkpoint_json(checkpoint, revision, "config.json")
    code = configuration.get("auto_map")
    if isinstance(code, dict) and "AutoModel" in code:
        print(
            f"note: {name} has code of its own, which is not run (--trust_remote_code runs it): it is computed as the "
            f"{configuration.get('model_type')} of transformers",
            file=sys.stderr,
        )


def own_prompt(checkpoint: str, revision: str | None, name: str) -> str | None:
    """Return the prompt that a checkpoint's configuration puts before every text, None where it has no default.

    A note says which it is, or which there are where none is the default. Without modules.json the library reads no
    prompts.
    """
    if checkpoint_file(checkpoint, revision, "modules.json") is None:
        return None
    configuration = checkpoint_json(checkpoint, revision, CONFIGURATION)
    prompts, default = _prompts(configuration), configuration.get("default_prompt_name")
    if isinstance(default, str) and default in prompts:
        prompt = _check_prompt(name, default, prompts[default])
        print(
            f"note: {prompt!r} is put before every text for {name}, as its configuration says "
            "(--prompt TEXT for another, '' for none)",
            file=sys.stderr,
        )
        return prompt
    if used := {key: text for key, text in prompts.items() if isinstance(text, str) and text}:
        known = ", ".join(f"{text!r} ({key})" for key, text in list(used.items())[:5])
        print(f"note: {name} knows the prompts {known} and has no default: none is used (--prompt)", file=sys.stderr)
    return None


def _check_default_prompt(checkpoint: str, revision: str | None, name: str) -> None:
    """Raise UserError where the default of a checkpoint's prompts is none of them; the library would not load it."""
    if checkpoint_file(checkpoint, revision, "modules.json") is None:
        return
    configuration = checkpoint_json(checkpoint, revision, CONFIGURATION)
    known = dict.fromkeys((*LIBRARYS_PROMPTS, *_prompts(configuration)))
    default = configuration.get("default_prompt_name")
    if isinstance(default, str) and default not in known:
        raise UserError(
            f"the checkpoint {name!r}: its default_prompt_name {default!r} is none of its prompts ({', '.join(known)})",
            f"mend {CONFIGURATION}",
        )


def own_sides(checkpoint: str, revision: str | None, name: str) -> tuple[str, str] | None:
    """Return the prompts that a checkpoint's configuration puts before queries and before passages; None without them.

    They are its prompts `query` and the first of `document`, `passage` and `corpus` that is not empty. A note says so.
    """
    if checkpoint_file(checkpoint, revision, "modules.json") is None:
        return None
    prompts = _prompts(checkpoint_json(checkpoint, revision, CONFIGURATION))
    texts = [
        next((_check_prompt(name, key, prompts[key]) for key in keys if prompts.get(key)), "")
        for keys in (("query",), DOCUMENT_PROMPTS)
    ]
    if not any(texts):
        return None
    print(
        f"note: {texts[0]!r} is put before every query and {texts[1]!r} before every passage for {name}, as its "
        "configuration says (--query_prompt, --passage_prompt)",
        file=sys.stderr,
    )
    return texts[0], texts[1]


def prompts_of(checkpoint: str, revision: str | None) -> dict[str, str]:
    """Return the prompts of a checkpoint's configuration by their names, without values that are no texts.

    Without modules.json the library reads none.
    """
    if checkpoint_file(checkpoint, revision, "modules.json") is None:
        return {}
    prompts = _prompts(checkpoint_json(checkpoint, revision, CONFIGURATION))
    return {key: text for key, text in prompts.items() if isinstance(text, str)}


def _check_prompt(name: str, key: str, prompt: Any) -> str:
    """Return a prompt of a checkpoint. Raises UserError where it is no text."""
    if not isinstance(prompt, str):
        raise UserError(
            f"the checkpoint {name!r}: its prompt {key!r} is {prompt!r}, not a text",
            f"mend {CONFIGURATION}, or give --prompt",
        )
    return prompt


def _prompts(configuration: dict[str, Any]) -> dict[str, Any]:
    prompts = configuration.get("prompts")
    return {key: "" if text is None else text for key, text in prompts.items()} if isinstance(prompts, dict) else {}


def tell_missing_prompts(checkpoint: str, revision: str | None, name: str, *, has_sides: bool) -> None:
    """Print a note for a checkpoint of the E5 family, whose texts need prompts that its configuration does not have.

    The instruction models of the family have other prompts. has_sides: whether passages have a prompt of their own.
    """
    called = checkpoint_json(checkpoint, revision, "config.json").get("_name_or_path")
    names = [str(one).rstrip("/").rpartition("/")[2] for one in (checkpoint, called)]
    if any(E5.search(one) and not re.search("instruct|mistral", one, re.IGNORECASE) for one in names):
        flags = "--query_prompt 'query: ' --passage_prompt 'passage: '" if has_sides else "--prompt 'query: '"
        what = f"{name} has no prompts in its configuration, but E5 expects 'query: ' and 'passage: ': give {flags}"
        print(f"note: {what}", file=sys.stderr)
