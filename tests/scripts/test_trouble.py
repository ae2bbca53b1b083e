"""Trainings that meet trouble, as processes of their own: damaged video, a full disk, a kill, another config."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envs.collect_config import CollectConfig
from sslctrl import config as configs
from sslctrl.store import EpisodeStore
from vision.train_config import PretextConfig, TrainConfig

ROOT = Path(__file__).parents[2]
TINY = ["--options", "dim=4", "points=4", "hidden=8", "size_px=32", "steps_per_batch=4", "augment=false"]
TINY += ["--backbone-options", "widths=[4,8]", "strides=[2,2]"]


def call(script: str, *args: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / f"{script}.py"), *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def train(store: object, run: object, *more: object) -> list[object]:
    return ["--store", store, "--run", run, *TINY, "--fit.device", "cpu", "--fit.warmup", 0, *more]


def refused(ran: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Check one line that begins with `error:` and holds the words."""
    lines = ran.stderr.strip().splitlines()
    assert ran.returncode == code, ran.stderr
    assert len(lines) == 1 and lines[0].startswith("error: "), ran.stderr
    assert all(word in lines[0] for word in words), lines[0]


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(Path("a"), Path("b")),
        TrainConfig(Path("a"), Path("b"), options={"widths": [1, 2], "loss": "triplet", "l2": 0.5, "augment": False}),
        PretextConfig(Path("a"), Path("b"), backbone="resnet"),
        CollectConfig(Path("out")),
        CollectConfig(Path("out"), steps=3, behaviors=("expert", "random"), goal=(0.1, -0.2), cameras=("top",)),
    ],
)
def test_every_config_is_the_same_after_yaml(config: object, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(configs.to_yaml(config))
    assert configs.load(type(config), path) == config


def test_stores_that_are_missing_or_damaged(square_store: EpisodeStore, tmp_path: Path) -> None:
    refused(call("train_embedding", *train(tmp_path / "none", tmp_path / "r")), 3, "none", "collect")
    run = train(square_store.root, tmp_path / "r", "--fit.steps", 2)
    for id in square_store.ids:
        frames = square_store.root / id / "frames.npy"
        frames.write_bytes(frames.read_bytes()[:-1])
    refused(call("train_embedding", *run), 3, "frames.npy", "damaged")
    (square_store.root / square_store.ids[1] / "meta.json").write_text("{")
    refused(call("train_embedding", *run), 3, "meta.json")


def test_a_run_folder_that_cannot_be_written(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")  # a folder without permission would stop no one who is root
    refused(call("train_embedding", *train(tiny_store.root, tmp_path / "file" / "run")), 5, "cannot write")


def test_a_full_disk(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    code = "import resource, signal, runpy, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); sys.path.insert(0, 'scripts')\n"
    code += "sys.argv = ['train_embedding.py', *sys.argv[1:]]\n"
    code += "runpy.run_path('scripts/train_embedding.py', run_name='__main__')"
    args = map(str, train(tiny_store.root, tmp_path / "run", "--fit.steps", 1))
    ran = subprocess.run([sys.executable, "-c", code, *args], cwd=ROOT, capture_output=True, text=True, check=False)
    refused(ran, 5, "no room", "free space")
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_debug_shows_where(tmp_path: Path) -> None:
    ran = call("train_embedding", "--debug", *train(tmp_path / "none", tmp_path / "r"))
    assert ran.returncode == 3
    assert "Traceback" in ran.stderr and ran.stderr.strip().splitlines()[-1].startswith("error: ")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_training_goes_on_with_the_same_command(
    number: signal.Signals, tiny_store: EpisodeStore, tmp_path: Path
) -> None:
    """A training that is stopped and resumed ends with the weights of one that never was, bit for bit."""
    steps = ["--fit.steps", 60, "--fit.checkpoint-every", 1]  # an fsync each: it cannot be over before it is stopped
    run, last = tmp_path / "run", "checkpoints/step-00000060/weights.safetensors"
    command = [sys.executable, str(ROOT / "scripts/train_embedding.py"), *map(str, train(tiny_store.root, run, *steps))]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: any((run / "checkpoints").glob("step-*")))
    child.send_signal(number)
    message = child.communicate()[1]
    assert not (run / last).exists()
    if number == signal.SIGINT:
        assert child.returncode == 6 and "run the same to go on" in message, message
    else:
        assert child.returncode == -signal.SIGKILL
    assert call("train_embedding", *train(tiny_store.root, run, *steps)).returncode == 0
    whole = tmp_path / "whole"
    assert call("train_embedding", *train(tiny_store.root, whole, "--fit.steps", 60)).returncode == 0
    assert (run / last).read_bytes() == (whole / last).read_bytes()
    assert len(json.loads((run / "run.json").read_text())["starts"]) == 2


def wait_for(what, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_run_refuses_another_config_and_keeps_its_own(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert call("train_embedding", *train(tiny_store.root, run, "--fit.steps", 2)).returncode == 0
    before = (run / "config.yaml").read_bytes()
    refused(call("train_embedding", *train(tiny_store.root, run, "--fit.steps", 3)), 2, "fit.steps = 2", "3")
    assert (run / "config.yaml").read_bytes() == before


def test_a_pretext_task_from_any_folder_and_its_backbone_in_an_embedding(
    tiny_store: EpisodeStore, tmp_path: Path
) -> None:
    shutil.copytree(tiny_store.root, tmp_path / "video")
    net = ["--backbone-options", "widths=[4,8]", "strides=[2,2]", "--fit.steps", 1, "--fit.device", "cpu"]
    ran = call("train_pretext", "--store", "video", "--run", "pre", *net, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    mine = train("video", "r", "--fit.steps", 1, "--backbone", "pre")
    refused(call("train_embedding", *mine, cwd=tmp_path), 2, "leave init and backbone_options out")
    at = mine.index("--backbone-options")
    del mine[at : at + 3]
    ran = call("train_embedding", *mine, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
