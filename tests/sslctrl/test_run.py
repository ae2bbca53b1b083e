from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sslctrl import config as configs
from sslctrl import durable
from sslctrl import run as runs
from sslctrl.errors import CheckpointError, InputError, Interrupted, StorageError
from sslctrl.fit_config import FitConfig
from sslctrl.same_run import differences


@dataclass(frozen=True)
class Job:
    width: int = 3
    fit: FitConfig = field(default_factory=FitConfig)


FREE = ("fit.threads",)


def test_records_what_ran_and_where(tmp_path: Path) -> None:
    run = runs.RunDir(tmp_path / "a" / "b", Job(width=4), seed=7, device="cpu", dataset="abc")
    assert configs.load(Job, run.path / "config.yaml") == Job(width=4)
    record = json.loads((run.path / "run.json").read_text())
    assert record["seed"] == 7 and record["dataset"] == "abc"
    (start,) = record["starts"]
    assert set(start) == {"command", "commit", "date", "machine", "device", "versions"}
    assert {"python", "torch", "numpy"} <= set(start["versions"]) and start["date"].endswith("+00:00")


def test_goes_on_with_the_same_config_and_with_what_is_free(tmp_path: Path) -> None:
    runs.RunDir(tmp_path, Job(), seed=0)
    runs.RunDir(tmp_path, Job(fit=FitConfig(threads=2)), seed=0, free=FREE)
    assert len(json.loads((tmp_path / "run.json").read_text())["starts"]) == 2
    assert configs.load(Job, tmp_path / "config.yaml").fit.threads == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": Job(width=4)}, "width = 3, and is asked to go on with 4"),
        ({"config": Job(fit=FitConfig(lr=0.1))}, r"fit\.lr = 0\.001"),
        ({"dataset": "other"}, r"started with other video .its hash was abc, and is other."),
        ({"seed": 1}, "seed = 0"),
    ],
)
def test_a_folder_of_another_run_is_refused_and_left_alone(change: dict, message: str, tmp_path: Path) -> None:
    given = {"config": Job(), "seed": 0, "dataset": "abc", "free": FREE}
    runs.RunDir(tmp_path, **given)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
    with pytest.raises(InputError, match=message):
        runs.RunDir(tmp_path, **given | change)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == before


def test_a_folder_of_another_kind_of_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Other:
        task: str = "rotation"

    runs.RunDir(tmp_path, Other(), seed=0)
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(
        InputError, match=r"a run of another kind, .*whose config says task; .* give another run folder$"
    ):
        runs.RunDir(tmp_path, Job(), seed=0)
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_refused_first_start_gives_the_folder_back(tmp_path: Path) -> None:
    def start(error: Exception, width: int) -> None:
        with pytest.raises(type(error)), runs.RunDir(tmp_path, Job(width=width), seed=0):
            raise error

    start(InputError("such a width cannot be"), -1)
    assert not list(tmp_path.glob("*.*"))
    start(Interrupted("stopped; run the same to go on"), 4)
    start(InputError("of another start"), 4)
    assert configs.load(Job, tmp_path / "config.yaml") == Job(width=4)
    with pytest.raises(InputError, match="width = 4"):
        runs.RunDir(tmp_path, Job(), seed=0)


def test_a_first_start_that_was_refused_after_a_round_of_it_keeps_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError), runs.RunDir(tmp_path, Job(), seed=0):
        (tmp_path / "round-0" / "agent" / "checkpoints" / "step-00000001").mkdir(parents=True)
        raise InputError("too late")
    assert (tmp_path / "config.yaml").exists() and (tmp_path / "run.json").exists()


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    runs.RunDir(tmp_path, Job(), seed=0)
    (tmp_path / "run.json").write_text('{"seed": 0')
    with pytest.raises(CheckpointError, match=r"run\.json is damaged"):
        runs.RunDir(tmp_path, Job(), seed=0)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        runs.RunDir(tmp_path / "file" / "run", Job(), seed=0)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.RunDir(tmp_path, Job(), seed=0)
    run.write_json("metrics.json", {"x": 1})

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no room"):
        run.write_json("metrics.json", {"x": 2})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"x": 1}
    assert not list(tmp_path.glob(f"{durable.ASIDE}*"))


def test_json_has_no_nan(tmp_path: Path) -> None:
    run = runs.RunDir(tmp_path, Job(), seed=0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_json("metrics.json", {"x": float("nan")})
    assert not (tmp_path / "metrics.json").exists()


def test_commit_is_that_of_this_checkout_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "__file__", str(tmp_path / "sslctrl" / "run.py"))
    assert runs.commit() is None
    (tmp_path / ".git").mkdir()  # no repository after all
    assert runs.commit() is None


def test_a_nested_difference_is_found() -> None:
    was, now = (configs.to_plain(config) for config in (Job(), replace(Job(), width=5)))
    assert list(differences(was, now)) == [("width", 3, 5)]
