from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from sslctrl import checkpoint
from sslctrl.errors import CheckpointError, StorageError

SPEC = {"name": "tcn", "options": {"dim": 32}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "checkpoint"
    tied = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "a": tied,
        "b": tied,
        "turned": tied.T,
        "count": torch.tensor(3),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    checkpoint.save(path, "objective", SPEC, tensors, {"step": 4}, {"a.exp_avg": torch.zeros(2)})
    return path


def test_round_trip(saved: Path) -> None:
    back = checkpoint.read(saved, "objective")
    assert (back.spec, back.extra, back.training) == (SPEC, {"step": 4}, {})
    assert torch.equal(back.tensors["a"], back.tensors["b"])
    assert torch.equal(back.tensors["turned"], back.tensors["a"].T)
    assert back.tensors["count"].item() == 3
    assert back.tensors["half"].dtype == torch.bfloat16
    assert list(checkpoint.read(saved, "objective", training=True).training) == ["a.exp_avg"]


def test_another_kind_is_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="is a checkpoint of kind 'objective'; allowed is 'policy'") as caught:
        checkpoint.read(saved, "policy")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["weights.safetensors", "checkpoint.json", "training.safetensors"])
def test_missing_and_flipped_files_are_named(saved: Path, name: str) -> None:
    path = saved / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 128
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=name):
        checkpoint.read(saved, "objective", training=True)
    path.unlink()
    with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
        checkpoint.read(saved, "objective", training=True)


def test_every_byte_of_what_a_checkpoint_says_is_verified(saved: Path) -> None:
    path = saved / "checkpoint.json"
    path.write_text(path.read_text().replace('"step": 4', '"step": 5'))
    with pytest.raises(CheckpointError, match=r"checkpoint\.json does not match its own digest"):
        checkpoint.read(saved, "objective")


def test_a_pickle_is_never_opened(saved: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, saved / "weights.safetensors")
    with pytest.raises(CheckpointError, match="does not match its sha256"):
        checkpoint.read(saved, "objective")


@pytest.mark.parametrize("text", ["", "[]", '{"format": "sslctrl-checkpoint-1"}', '{"format": "other"}', "\xff"])
def test_an_about_file_of_another_kind_is_refused(saved: Path, text: str) -> None:
    (saved / "checkpoint.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"checkpoint\.json") as caught:
        checkpoint.read(saved, "objective")
    assert "\n" not in str(caught.value)


def test_saving_again_replaces(saved: Path) -> None:
    checkpoint.save(saved, "objective", SPEC, {"c": torch.ones(1)}, {"step": 5})
    assert list(checkpoint.read(saved, "objective").tensors) == ["c"]
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]
    assert json.loads((saved / "checkpoint.json").read_text())["kind"] == "objective"


def test_a_full_disk_keeps_the_old_one(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="no room to write"):
        checkpoint.save(saved, "objective", SPEC, {"c": torch.ones(1)}, {})
    assert checkpoint.read(saved, "objective").extra == {"step": 4}
    assert [path.name for path in saved.parent.iterdir()] == ["checkpoint"]


def test_a_step_that_is_not_there_is_told_of_the_newest_that_is(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-00000020").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"no folder .*3000; .* the newest there is .*step-00000020"):
        checkpoint.about_of(tmp_path / "checkpoints" / "step-00003000")
    with pytest.raises(CheckpointError, match="check the name"):
        checkpoint.about_of(tmp_path / "nowhere")


def test_copies_beside_the_checkpoints_are_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-best").mkdir(parents=True)
    for step in (4, 8, 12):
        path = checkpoint.save_step(tmp_path, step, "objective", SPEC, {"c": torch.ones(1)}, {})
        assert checkpoint.newest(tmp_path) == path and path.is_dir()
    assert sorted(one.name for one in path.parent.iterdir()) == ["step-00000008", "step-00000012", "step-best"]
