"""A run keeps the embedding that it began with, and lies where nothing else does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from agents_toys import tiny

from agents import checkpoint, train
from agents.train import train_agent
from sslctrl.errors import CheckpointError, InputError


def test_an_embedding_s_run_stands_for_its_newest_checkpoint(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded / "embedding", tmp_path / "tcn" / "checkpoints" / "step-00000007")
    one = train_agent(tiny(recorded, tmp_path / "one", steps=8, embedding=tmp_path / "tcn"))
    assert checkpoint.load(one).config.embedding == tmp_path / "tcn"
    kept = (checkpoint.sha256_of(folder) for folder in (tmp_path / "one" / "embedding", recorded / "embedding"))
    assert next(kept) == next(kept)


def test_the_copy_is_of_what_was_loaded_whatever_comes_after(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    steps, real = tmp_path / "tcn" / "checkpoints", train.prior.of_store
    shutil.copytree(recorded / "embedding", steps / "step-00000007")

    def meanwhile(*given: Any) -> Any:
        shutil.copytree(recorded / "motion", steps / "step-00000008")
        return real(*given)

    monkeypatch.setattr(train.prior, "of_store", meanwhile)
    train_agent(tiny(recorded, tmp_path / "run", steps=8, embedding=tmp_path / "tcn"))
    assert checkpoint.sha256_of(tmp_path / "run" / "embedding") == checkpoint.sha256_of(recorded / "embedding")


def test_no_run_lies_in_its_own_video(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded / "prior", tmp_path / "prior")
    with pytest.raises(InputError, match=r"is in the store .*prior, which would take it for an episode"):
        train_agent(tiny(recorded, tmp_path / "prior" / "run", prior=tmp_path / "prior"))
    assert not (tmp_path / "prior" / "run").exists()


def test_nobody_s_embedding_is_replaced_by_a_copy(recorded: Path, tmp_path: Path) -> None:
    run = tmp_path / "push" / "embedding"
    shutil.copytree(recorded / "embedding", run / "checkpoints" / "step-00000007")
    with pytest.raises(InputError, match="embedding is there already"):
        train_agent(tiny(recorded, tmp_path / "push", steps=8, embedding=run))
    assert (run / "checkpoints" / "step-00000007" / "weights.safetensors").exists()
    path = train_agent(tiny(recorded, tmp_path / "push" / "agent", steps=8, embedding=run))
    assert checkpoint.load(path).senses.observer is not None


def test_a_refused_start_keeps_no_embedding_for_the_next(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frnt"):
        train_agent(tiny(recorded, tmp_path, embedding=recorded / "vae", camera="frnt"))
    assert not (tmp_path / "config.yaml").exists()
    train_agent(tiny(recorded, tmp_path, steps=8))
    kept, given = (checkpoint.sha256_of(folder) for folder in (tmp_path / "embedding", recorded / "embedding"))
    assert kept == given


def test_another_embedding_in_the_run_is_refused(trained: Path, recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "embedding")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "run")
