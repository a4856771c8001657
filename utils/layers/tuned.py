"""A tuned lens: an affine translator for each layer, which turns its states into those that the last layer would give.

Belrose et al. 2023, arXiv 2303.08112. The files are those of the package `tuned-lens`: `params.pt` has a weight and a
bias for each layer, `config.json` says of which model. Translator N is for the states that layer N takes, so 0 is for
the embeddings, and the last layer has none. What it returns is added to the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.errors import UserError, first_line
from utils.files import read_json, sha256_of

if TYPE_CHECKING:
    from torch import Tensor

PARAMS, CONFIG = "params.pt", "config.json"
HINT = "give the params.pt of a tuned lens, or its folder (docs/layers.md)"


@dataclass(frozen=True)
class TunedLens:
    """The translators of a tuned lens: a weight (d, d) and a bias (d,) for each layer but the last.

    digest: eight digits of the hash of its file. base: the model that it was trained for, as its configuration says.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor | None, ...]
    digest: str
    base: str = ""

    def translated(self, states: Tensor, layer: int) -> Tensor:
        """Return the states (R, d) of a layer as its translator gives them; those of the last layer stay as they are.

        Raises UserError where the lens is of another size.
        """
        if layer == len(self.weights):
            return states
        import torch

        weight, bias = self.weights[layer], self.biases[layer]
        if weight.shape[1] != states.shape[1]:
            what = f"--tuned_lens has states of {weight.shape[1]} values, but the model has {states.shape[1]}"
            raise UserError(what, "give the lens that was trained for this model")
        place: dict[str, Any] = {"device": states.device, "dtype": torch.float32}
        moved = torch.nn.functional.linear(
            states.float(), weight.to(**place), None if bias is None else bias.to(**place)
        )
        return (states.float() + moved).to(states.dtype)

    def check(self, depth: int) -> None:
        """Raise UserError where the model has another number of layers."""
        if len(self.weights) != depth:
            what = f"--tuned_lens has translators for {len(self.weights)} layers, but the model has {depth}"
            raise UserError(what, "give the lens that was trained for this model")


def params_file(path: Path) -> Path:
    """Return the file of parameters of a tuned lens, given that file or its folder. Raises UserError for neither."""
    file = path / PARAMS if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"--tuned_lens {path}: no such file", HINT)
    return file


def read_tuned_lens(path: Path) -> TunedLens:
    """Return a tuned lens by its file of parameters, or by the folder that has it.

    Raises UserError where it cannot be read, or has no translators of one size.
    """
    import torch

    file = params_file(path)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes the library raise
        raise UserError(f"--tuned_lens {path} cannot be read: {first_line(error)}", HINT) from error
    config = read_json(file.with_name(CONFIG)) if file.with_name(CONFIG).is_file() else {}
    weights, biases = _translators(content, path)
    _check_config(config or {}, weights, path)
    return TunedLens(weights, biases, sha256_of(file)[:8], str((config or {}).get("base_model_name_or_path") or ""))


def _translators(content: Any, path: Path) -> tuple[tuple[Tensor, ...], tuple[Tensor | None, ...]]:
    """Return the weights and the biases of all layers, as a file of parameters has them."""
    import torch

    is_dict = isinstance(content, Mapping) and all(isinstance(value, torch.Tensor) for value in content.values())
    depth = sum(f"{layer}.weight" in content for layer in range(len(content))) if is_dict else 0
    weights = [content.get(f"{layer}.weight") for layer in range(depth)] if depth else []
    biases = [content.get(f"{layer}.bias") for layer in range(depth)] if depth else []
    expected = {f"{layer}.weight" for layer in range(depth)} | {
        f"{layer}.bias" for layer, bias in enumerate(biases) if bias is not None
    }
    size = tuple(weights[0].shape) if weights and weights[0] is not None else ()
    fits = len(size) == 2 and size[0] == size[1] and set(content) == expected
    fits = fits and all(weight is not None and tuple(weight.shape) == size for weight in weights)
    fits = fits and all(bias is None or tuple(bias.shape) == size[:1] for bias in biases)
    if not fits:
        raise UserError(f"--tuned_lens {path} has no weight and bias for each layer", HINT)
    if not all(bool(torch.isfinite(value).all()) for value in content.values()):
        raise UserError(f"--tuned_lens {path} has values that are no numbers", "train it again, or get it again")
    return tuple(weights), tuple(biases)


def _check_config(config: Mapping[str, Any], weights: tuple[Tensor, ...], path: Path) -> None:
    """Raise UserError where the configuration beside the parameters says another size or kind."""
    kind = config.get("lens_type", "linear_tuned_lens")
    if kind != "linear_tuned_lens":
        raise UserError(f"--tuned_lens {path} is of the kind {kind!r}", "only linear_tuned_lens can be read")
    said = (config.get("num_hidden_layers", len(weights)), config.get("d_model", weights[0].shape[0]))
    there = (len(weights), weights[0].shape[0])
    if said != there:
        first, second = (f"{layers} layers of {size} values" for layers, size in (said, there))
        what = f"--tuned_lens {path}: {CONFIG} says {first}, but {PARAMS} has {second}"
        raise UserError(what, "both have to be of one lens")
