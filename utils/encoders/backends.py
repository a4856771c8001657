"""Transformers computed by ONNX Runtime or OpenVINO instead of torch: exported once per checkpoint, then checked."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.constants import BACKENDS
from utils.errors import UserError, first_line
from utils.files import build_folder, fingerprint
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PACKAGES = {"onnx": ("onnxruntime", "onnxscript"), "openvino": ("openvino",)}
FILES = {"onnx": "model.onnx", "openvino": "model.xml"}
CLOSE = 1e-4  # largest difference of token vectors from torch's, as a share of the largest value


def check_backend(backend: str, device: str, dtype: str) -> None:
    """Raise UserError where a backend cannot be used: unknown, not installed, or not for this device or precision."""
    if backend == "torch":
        return
    if backend not in BACKENDS:
        raise UserError(f"unknown backend {backend!r}", f"choose from: {', '.join(BACKENDS)}")
    missing = [name for name in PACKAGES[backend] if importlib.util.find_spec(name) is None]
    if missing:
        hint = "pip install -r requirements.txt -r requirements-backends.txt"
        raise UserError(f"--backend {backend} needs the package {missing[0]}", hint)
    if device != "cpu" or dtype != "fp32":
        given = "--cuda" if device != "cpu" else f"--dtype {dtype}"
        raise UserError(f"--backend {backend} with {given}", "it computes in fp32 on the CPU only; use --backend torch")


def swap_transformer(model: Any, spec: EncoderSpec, cache_dir: Path, example: dict[str, Any]) -> None:
    """Replace the transformer of a sentence-transformers model by an exported graph in the spec's backend.

    `example` has the features of two texts, for the export. The graph is kept in the cache. Raises UserError where the
    model cannot be exported, or where the graph's values differ from torch's.
    """
    import torch

    transformer = getattr(model[0], "model", None)
    if transformer is None or not {"input_ids", "attention_mask"} <= set(example):
        raise UserError(
            f"--backend {spec.backend}: {spec.name} is not a transformer over tokens", "use --backend torch"
        )
    bare = _bare(transformer)
    inputs = (example["input_ids"], example["attention_mask"])
    with torch.inference_mode():
        expected = bare(*inputs)
    export = _export_onnx if spec.backend == "onnx" else _export_openvino
    folder = cache_dir / "exported" / fingerprint(_settings(spec))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracers warn of branches not taken
            build_folder(folder, FILES[spec.backend], lambda part: export(bare, inputs, part))
            run = (_OnnxRun if spec.backend == "onnx" else _OpenVinoRun)(folder / FILES[spec.backend])
            found = run(*inputs)
    except Exception as error:  # exporters fail in many ways
        raise UserError(
            f"--backend {spec.backend} cannot run {spec.name}: {first_line(error)[:200]}", "use --backend torch"
        ) from error
    mask = inputs[1].bool()
    difference = float((found - expected)[mask].abs().max())
    if not difference <= CLOSE * max(1.0, float(expected[mask].abs().max())):
        raise UserError(
            f"--backend {spec.backend} computes {spec.name} with a difference of {difference:.1e}",
            "use --backend torch",
        )
    model[0].model = _exported(transformer.config, run)


def _settings(spec: EncoderSpec) -> dict[str, Any]:
    """Return the settings that decide an exported graph."""
    names = ("torch", "transformers", *PACKAGES[spec.backend])
    versions = {name: importlib.metadata.version(name) for name in names}
    versions |= {"attention": spec.attention} if spec.attention else {}
    layer = {"layer": spec.layer} if spec.layer is not None else {}
    return {"checkpoint": spec.name, "revision": spec.revision, "backend": spec.backend, **versions, **layer}


def _bare(transformer: Any) -> torch.nn.Module:
    """Return the model as a function of token ids and mask to token vectors (n, t, d)."""
    import torch

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = transformer

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            found: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]
            return found

    return Bare().eval()


def _exported(config: Any, run: Any) -> torch.nn.Module:
    """Return a module that replaces the transformer."""
    import torch

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = config

        def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> dict[str, Tensor]:
            return {"last_hidden_state": run(input_ids, attention_mask)}

    return Exported()


def _export_onnx(bare: torch.nn.Module, inputs: tuple[Tensor, Tensor], folder: Path) -> None:
    import torch

    free = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        bare, inputs, str(folder / FILES["onnx"]), input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"], dynamic_shapes=(free, free), dynamo=True, external_data=True, verbose=False,
    )  # fmt: skip


def _export_openvino(bare: torch.nn.Module, inputs: tuple[Tensor, Tensor], folder: Path) -> None:
    import openvino

    example = dict(zip(("input_ids", "attention_mask"), inputs, strict=True))
    graph = openvino.convert_model(bare, example_input=example)
    openvino.save_model(graph, folder / FILES["openvino"], compress_to_fp16=False)


class _OnnxRun:
    """A session of ONNX Runtime; each call computes with one thread, and calls run in parallel."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        import torch

        given = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return torch.from_numpy(self.session.run(None, given)[0])


class _OpenVinoRun:
    """A compiled model of OpenVINO in float32, with one inference request per calling thread."""

    def __init__(self, path: Path) -> None:
        import openvino
        import torch

        threads = torch.get_num_threads()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads}
        self.model = openvino.Core().compile_model(path, "CPU", hints)
        self.own = threading.local()

    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        import torch

        if not hasattr(self.own, "request"):
            self.own.request = self.model.create_infer_request()
        given = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return torch.from_numpy(self.own.request.infer(given)[0].copy())
