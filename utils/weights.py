"""Whether a model and its tokenizer came from their checkpoint: transformers makes up what is missing."""

from __future__ import annotations

import logging
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from utils.errors import UserError

T = TypeVar("T")
WRAPPERS = ("module.", "_orig_mod.", "model.")  # what data parallelism, torch.compile and trainers put before names
CONSTANTS = re.compile(  # buffers that older versions saved and that every model computes by itself
    r"(position_ids|token_type_ids|inv_freq|masked_bias|(attn|attention)\.bias|num_batches_tracked"
    r"|embed_positions\.weights)$"  # the plural: sinusoids, learned positions are `embed_positions.weight`
)
SHOWN = 3  # names that a message lists


def quantization_config(bits: str, compute_dtype: Any, skipped: Sequence[str] | None = None) -> Any:
    """Return how transformers quantises weights to `8bit` or `4bit` (nf4) with bitsandbytes as it loads them.

    compute_dtype: the torch type in which weights of 4 bits are multiplied. skipped: modules that keep their weights;
    None for those that transformers skips by itself.
    """
    import transformers

    return transformers.BitsAndBytesConfig(
        load_in_8bit=bits == "8bit",
        load_in_4bit=bits == "4bit",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=compute_dtype,
        llm_int8_skip_modules=skipped,
    )


@dataclass(frozen=True)
class LoadReport:
    """What the library found when it put a checkpoint's weights into one model.

    missing: names of the model that the checkpoint lacks. unknown: names of the checkpoint within the model's body that
    the model lacks; those of other heads do not count. others: all names that the model lacks. reshaped: names whose
    shapes differ, with both shapes. is_empty: whether none of the model's weights came from the checkpoint.
    """

    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    others: tuple[str, ...]
    reshaped: tuple[str, ...]
    is_empty: bool


def load_whole(
    load: Callable[[dict[str, Any]], T], name: str, is_unused: Callable[[T, str], bool] = lambda model, weight: False
) -> T:
    """Return what `load` returns, where every weight of its models came from the checkpoint `name`.

    `load` gets arguments for `from_pretrained`: none, or where all names in the checkpoint begin with a known prefix,
    in a second call the mapping that strips it; a note says so. `is_unused` says of a loaded model whether it does
    without a weight that is missing, such as that of a pooler. Raises UserError that names what is missing or unknown.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of casts, once per layer
    with _reports() as reports:
        try:
            model = load({})
        except Exception:
            _check_shapes(name, reports)  # the library names no weight in its error
            raise
    prefix = next(filter(None, (_wrapper(report.others) for report in reports if report.is_empty)), "")
    if prefix:
        with _reports() as reports:
            model = load({"key_mapping": {f"^{re.escape(prefix)}": ""}})
    for report in reports:
        missing = [weight for weight in report.missing if not is_unused(model, weight)]
        if missing or report.unknown:
            raise _refusal(name, missing, report.unknown or (report.others if missing else ()))
    if prefix:
        print(f"note: {name}: the prefix {prefix!r} of all names of weights is left out", file=sys.stderr)
    return model


def _wrapper(names: Collection[str]) -> str:
    """Return the known prefixes that all names begin with, as one text; empty where there are none."""
    prefix = ""
    while names and (
        found := [wrapper for wrapper in WRAPPERS if all(name.startswith(prefix + wrapper) for name in names)]
    ):
        prefix += found[0]
    return prefix


def _check_shapes(name: str, reports: Collection[LoadReport]) -> None:
    for report in reports:
        if report.reshaped:
            raise UserError(
                f"the checkpoint {name!r} has weights of other shapes than its config.json says: "
                f"{_some(report.reshaped)}",
                "check that config.json and the weights belong together",
            )


def _refusal(name: str, missing: Collection[str], unknown: Collection[str]) -> UserError:
    parts = [f"it lacks {len(missing)} ({_some(missing)}), which would be drawn at random"] if missing else []
    parts += [f"it has {len(unknown)} that the model does not know ({_some(unknown)})"] if unknown else []
    return UserError(
        f"the checkpoint {name!r} does not have the weights of its model: {', and '.join(parts)}",
        "check that its files are complete and that config.json describes them; code of its own (auto_map) "
        "needs --trust_remote_code",
    )


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


@contextmanager
def _reports() -> Iterator[list[LoadReport]]:
    """Collect the reports of all models that transformers loads meanwhile; it would only log them."""
    from transformers import modeling_utils
    from transformers.integrations import peft

    found: list[LoadReport] = []
    log = modeling_utils.log_state_dict_report
    silent = logging.Logger("silent", logging.CRITICAL)

    def collect(model: Any, *args: Any, **kwargs: Any) -> None:
        found.append(_report(model, kwargs["loading_info"]))
        log(model, *args, **{**kwargs, "logger": silent})  # for the errors that it raises

    modeling_utils.log_state_dict_report = peft.log_state_dict_report = collect
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="torch")  # of how a file was pickled
            yield found
    finally:
        modeling_utils.log_state_dict_report = peft.log_state_dict_report = log


def _report(model: Any, info: Any) -> LoadReport:
    names = set(model.state_dict())
    missing = set(info.missing_keys)
    is_quantized = getattr(model.config, "quantization_config", None) is not None  # has scales beside the weights
    parts = {part for module in (model, model.base_model) for part, _ in module.named_children()}
    prefix = f"{model.base_model_prefix}."
    others = {name for name in info.unexpected_keys if not CONSTANTS.search(name)}
    unknown = {
        name
        for name in others
        if not is_quantized and "pooler" not in name and name.removeprefix(prefix).split(".")[0] in parts
    }
    reshaped = {
        f"{name} {tuple(stored)} instead of {tuple(wanted)}" for name, stored, wanted in sorted(info.mismatched_keys)
    }
    tied = set(getattr(model, "all_tied_weights_keys", {}))
    optional = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_missing or ()]
    present = {name for name in names - missing - tied if not any(pattern.search(name) for pattern in optional)}
    return LoadReport(tuple(missing), tuple(unknown), tuple(others), tuple(reshaped), bool(missing) and not present)


def check_vocabulary(tokenizer: Any, name: str) -> None:
    """Raise UserError for a tokenizer that knows no words, which transformers makes where its files are missing.

    Every word would be the unknown one, and figures would be those of chance.
    """
    if not getattr(tokenizer, "is_fast", False):
        return
    special = {str(token) for token in tokenizer.all_special_tokens}
    if not any(
        token.strip("\u2581 ") for token in tokenizer.get_vocab() if token not in special
    ):  # the mark of a blank
        raise UserError(
            f"the checkpoint {name!r} has no tokenizer: the one that is made without its files knows no words",
            "add them to its folder: tokenizer.json, or what the tokenizer was saved as, such as "
            "sentencepiece.bpe.model or vocab.txt (save_pretrained() of the tokenizer writes them)",
        )
