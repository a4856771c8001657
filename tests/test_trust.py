"""Code that a checkpoint brings runs with --trust_remote_code alone; nothing asks on the terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import make_masked_lm
from tiny_models import make_model

CODE = """from pathlib import Path
from transformers import {base}Config, {model}
Path({mark!r}).touch()


class OwnConfig({base}Config):
    model_type = "own"


class OwnModel({model}):
    config_class = OwnConfig
"""
TOKENIZER = """from pathlib import Path
from transformers import PreTrainedTokenizerFast
Path({mark!r}).touch()


class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""
MODULE = """from pathlib import Path
from sentence_transformers.models import Normalize
Path({mark!r}).touch()


class Own(Normalize):
    pass
"""
GENERATE = """from pathlib import Path
Path({mark!r}).touch()


def generate(model, *args, **kwargs):
    raise SystemError
"""
OWN_DATA = "text,label,split\na b,x,train\nc d,y,train\na b,x,test\n"


@pytest.fixture(autouse=True)
def yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard input says yes to every question."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 100))


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def make(kind: str, folder: Path, mark: Path) -> tuple[str, ...]:
    """Make a checkpoint with code of its own, and return the flags that use it."""
    if kind.startswith("generator"):
        make_model(folder, "llama")
        base, model, auto, flag = "Llama", "LlamaForCausalLM", "AutoModelForCausalLM", "--gen_model_checkpoint"
    else:
        make_masked_lm(folder)
        base, model, auto, flag = "Bert", "BertModel", "AutoModel", "--model_checkpoint"
    if kind.endswith("model"):
        (folder / "own.py").write_text(CODE.format(base=base, model=model, mark=str(mark)))
        change(folder / "config.json", model_type="own", auto_map={"AutoConfig": "own.OwnConfig", auto: "own.OwnModel"})
    if kind.endswith("tokenizer"):
        (folder / "own.py").write_text(TOKENIZER.format(mark=str(mark)))
        auto_map = {"AutoTokenizer": [None, "own.OwnTokenizer"]}
        change(folder / "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=auto_map)
    if kind.endswith("module"):
        (folder / "own.py").write_text(MODULE.format(mark=str(mark)))
        (folder / "1_Pooling").mkdir()
        pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
        (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
        kinds = {"": "sentence_transformers.models.Transformer", "1_Pooling": "sentence_transformers.models.Pooling"}
        rows = [*kinds.items(), ("2_Own", "own.Own")]
        modules = [{"idx": n, "name": str(n), "path": path, "type": row} for n, (path, row) in enumerate(rows)]
        (folder / "modules.json").write_text(json.dumps(modules))
    if kind.endswith("generate"):
        (folder / "custom_generate").mkdir()
        (folder / "custom_generate/generate.py").write_text(GENERATE.format(mark=str(mark)))
    return flag, str(folder)


KINDS = ("generator model", "generator tokenizer", "encoder model", "encoder tokenizer", "encoder module")


@pytest.mark.parametrize("kind", [*KINDS, "generator generate"])
def test_code_runs_with_the_flag_alone(kind: str, tmp_path: Path, run: Any) -> None:
    mark = tmp_path / "RAN"
    flags = make(kind, tmp_path / "checkpoint", mark)
    (tmp_path / "own.csv").write_text(OWN_DATA)
    where = ("--cache_dir", str(tmp_path / "cache"), "--output_dir", str(tmp_path / "logs"))
    script, k = ("icl.py", "0") if kind.startswith("generator") else ("classification.py", "1")
    flags = (*flags, "--dataset", "own.csv", "--k", k, *where)
    done = run(script, *flags)
    assert not mark.exists() and "[y/N]" not in done.stdout + done.stderr
    if kind == "generator generate":  # without that code, the model generates as any other
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2 or kind.endswith("tokenizer"), done.stdout
    if done.returncode == 2:
        assert (
            "needs code of its own" in done.stderr
            and "hint: read that code; --trust_remote_code runs it" in done.stderr
        )
    done = run(script, *flags, "--trust_remote_code", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert mark.exists()
    runs = [json.loads(path.read_text())["run"] for path in (tmp_path / "logs").rglob(f"eval_*_{k}.json")]
    entries = [run["generator"] if script == "icl.py" else run["encoders"][0] for run in runs]
    told = [entry.get("trust_remote_code", False) for entry in entries]
    assert sorted(told) in ([True], [False, True])  # a run that needed no code has a record of its own


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_and_prefetch_run_no_code_either(kind: str, tmp_path: Path, run: Any) -> None:
    mark = tmp_path / "RAN"
    flag, path = make(kind, tmp_path / "checkpoint", mark)
    (tmp_path / "own.csv").write_text(OWN_DATA)
    where = ("--cache_dir", str(tmp_path / "cache"))
    usual = ("--dataset", "own.csv", "--k", "0", "--dry_run") if kind.startswith("gen") else ("--dry_run",)
    outputs = [
        run("icl.py" if kind.startswith("generator") else "classification.py", flag, path, *usual, *where),
        run("utils/prefetch.py", f"{flag}s", path, *where),
    ]
    assert not mark.exists()
    assert all("[y/N]" not in done.stdout + done.stderr and done.returncode in (0, 2) for done in outputs)
