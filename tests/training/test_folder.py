"""A training's folder takes the same training again, and no other."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from threading import Thread

import pytest

from utils.checkpoints import local_digest
from utils.errors import UserError
from utils.training.folder import TrainingFolder
from utils.training.loop import arguments_of, early_stopping, when_to_validate
from utils.training.options import TrainingOptions


def test_another_training_is_refused(tmp_path: Path) -> None:
    TrainingFolder(tmp_path / "out", {"training": {"epochs": 1, "seed": 2}}).open(overwrite=False)
    again = TrainingFolder(tmp_path / "out", {"training": {"epochs": 1, "seed": 2}})
    again.open(overwrite=False)
    assert not again.is_done()
    other = TrainingFolder(tmp_path / "out", {"training": {"epochs": 3, "seed": 2}})
    with pytest.raises(UserError, match=r"another training in it \(it differs in training.epochs\)"):
        other.open(overwrite=False)
    other.open(overwrite=True)
    assert other.content()["run"] == {"training": {"epochs": 3, "seed": 2}}


def test_a_training_goes_on_whatever_the_types_of_its_settings(tmp_path: Path) -> None:
    settings = {"loss": {"matryoshka": (), "teacher": ("a", "b")}, "lora": {"modules": ("all-linear",)}, "epochs": 1.0}
    for _ in range(2):
        TrainingFolder(tmp_path / "out", settings).open(overwrite=False)


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="has other files in it"):
            TrainingFolder(tmp_path, {}).open(overwrite=overwrite)
    assert (tmp_path / "thesis.tex").read_text() == "mine"


def test_a_folder_that_was_half_removed_is_still_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = TrainingFolder(tmp_path / "out", {"a": 1})
    folder.open(overwrite=False)
    (folder.path / "model.safetensors").write_bytes(b"weights")
    folder.checkpoints.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            folder.open(overwrite=True)
    assert folder.content()["run"] == {"a": 1}
    folder.open(overwrite=True)
    assert [path.name for path in folder.path.iterdir()] == ["training.json"]


def test_two_processes_do_not_train_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("utils.training.folder.LOOK_SECONDS", 0.01)
    first, second = (TrainingFolder(tmp_path / "out", {"a": 1}) for _ in range(2))
    (tmp_path / "out").mkdir()
    first.lock.write_text("process 1 on a machine that was switched off")
    seen: list[bool] = []

    def wait() -> None:
        with second.opened(overwrite=False):
            seen.append(second.is_done())

    with first.opened(overwrite=False):
        waiting = Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive() and not seen
        with pytest.raises(UserError, match="another training in it"):
            TrainingFolder(tmp_path / "out", {"a": 2}).opened(overwrite=False).__enter__()
        first.finish()
    waiting.join(60)
    assert seen == [True]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["training.json"]
    assert f"waiting for process {os.getpid()} on {platform.node()}, which trains in" in capsys.readouterr().err


def test_what_a_killed_process_left_of_a_finished_training_is_removed(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "out", {"a": 1})
    folder.open(overwrite=False)
    folder.finish()
    (folder.checkpoints / "checkpoint-1").mkdir(parents=True)
    folder.lock.touch()
    with folder.opened(overwrite=False):
        assert folder.is_done()
    assert [path.name for path in folder.path.iterdir()] == ["training.json"]


def test_a_training_that_ends_at_once_leaves_no_folder(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "out", {"a": 1})
    with pytest.raises(UserError, match="too few"), folder.opened(overwrite=False):
        folder.leave()
        raise UserError("too few rows")
    assert [*tmp_path.iterdir()] == []


def test_a_training_without_weights_is_done_again_where_they_are_needed(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "out", {"a": 1})
    with folder.opened(overwrite=False):
        for name in ("config.json", "README.md", "curve.csv", "1_Pooling/config.json", "checkpoints/checkpoint-1/x"):
            (folder.path / name).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / name).write_text("{}")
        folder.finish(drop=True, steps=3)
    assert sorted(path.name for path in folder.path.iterdir()) == ["README.md", "curve.csv", "training.json"]
    assert folder.content()["weights"] is False and folder.content()["steps"] == 3
    with pytest.raises(UserError) as told:
        local_digest(folder.path, tmp_path / "cache")
    assert told.value.hint.endswith("run finetune.py again, without --drop_weights")
    with folder.opened(overwrite=False):
        assert folder.is_done()
    with folder.opened(overwrite=False, lacks=lambda: True):
        assert not folder.is_done()
        folder.finish()
    assert folder.has_weights()


def test_a_record_that_a_killed_process_has_not_finished_is_no_other_file(tmp_path: Path) -> None:
    (tmp_path / ".training.json.123.0123abcd.part").write_text("{")
    TrainingFolder(tmp_path, {}).open(overwrite=False)


def test_the_last_whole_checkpoint(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path, {"a": 1})
    folder.open(overwrite=False)
    assert folder.last_checkpoint() is None
    for step, is_whole in ((2, True), (10, True), (12, False)):
        (folder.checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        if is_whole:
            (folder.checkpoints / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert folder.last_checkpoint() == folder.checkpoints / "checkpoint-10"
    folder.finish(steps=12)
    assert folder.is_done()
    assert not folder.checkpoints.exists()


def test_what_a_training_writes_beside_the_checkpoint_is_no_part_of_it(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "out", {})
    folder.open(overwrite=False)
    (folder.checkpoints / "checkpoint-1").mkdir(parents=True)
    (folder.checkpoints / "checkpoint-1" / "model.safetensors").write_bytes(b"old")
    (folder.path / "config.json").write_text("{}")
    folder.lock.write_text("process 1 on a machine")
    during = local_digest(folder.path, tmp_path / "cache")
    folder.lock.unlink()
    folder.finish(steps=1)
    (folder.path / "README.md").write_text("# A model")
    assert local_digest(folder.path, tmp_path / "cache") == during


@pytest.mark.parametrize("n_examples", [1, 7, 90, 1000, 12345])
def test_checkpoints_are_written_where_the_curve_has_a_point(n_examples: int, tmp_path: Path) -> None:
    options = TrainingOptions(epochs=2, batch_size=2, learning_rate=1e-3)
    found = arguments_of(options, TrainingFolder(tmp_path, {}), 2, n_examples)
    assert found["save_steps"] % found["logging_steps"] == 0


@pytest.mark.parametrize(("n_examples", "steps", "patience"), [(2, 1, 2), (14, 1, 14), (80, 10, 8), (82, 10, 9)])
def test_patience_is_of_epochs_however_often_an_epoch_is_validated(n_examples: int, steps: int, patience: int) -> None:
    options = TrainingOptions(epochs=9, batch_size=2, learning_rate=1e-3, patience=2)
    assert when_to_validate(options, n_examples, has_rows=True)["eval_steps"] == steps
    (callback,) = early_stopping(options, n_examples)
    assert callback.early_stopping_patience == patience
