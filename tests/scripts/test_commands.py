"""Every script as a user runs it: in a process of its own, from a folder that is not the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sslctrl import config as configs
from sslctrl.fit_config import FitConfig
from vision.build import load_embedding, load_objective
from vision.train_config import TrainConfig

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").glob("[a-z]*.py"))

# A process that fails as soon as anything asks for torch.
NO_TORCH = """
import runpy, sys
sys.modules["torch"] = None
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
sys.argv = [sys.argv[1], "--help"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def command(*args: object, cwd: Path, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    line = [sys.executable, *python, *map(str, args)]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_quick_and_needs_no_torch(script: str, tmp_path: Path) -> None:
    since = time.perf_counter()
    shown = command(ROOT / "scripts" / script, cwd=tmp_path, python=("-c", NO_TORCH))
    assert shown.returncode == 0, shown.stderr
    assert "--config FILE" in shown.stdout and "(default:" in shown.stdout
    assert time.perf_counter() - since < 20  # about 1 s, on an idle core


def test_collect_refuses_an_unknown_world(tmp_path: Path) -> None:
    shown = command(ROOT / "scripts/collect.py", "--out", "d", "--env-id", "sslctrl/Psh-v0", cwd=tmp_path)
    assert shown.returncode == 2
    assert "sslctrl/Push-v0" in shown.stderr and shown.stderr.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_collects_and_goes_on(tmp_path: Path) -> None:
    line = [ROOT / "scripts/collect.py", "--out", "d", "--steps", 4, "--workers", 1, "--size-px", 32]
    for episodes in (1, 2):
        shown = command(*line, "--episodes", episodes, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.splitlines()[-1] == f"{episodes} episodes in d"


TINY = ["--options", "dim=4", "size_px=32", "points=4", "hidden=8", "--fit.warmup", 1, "--fit.device", "cpu"]
NET = ["--backbone-options", "widths=[4,8]", "strides=[2,2]"]


def test_trains_an_embedding_from_flags_and_again_from_its_own_yaml(tiny_store, tmp_path: Path) -> None:
    script = ROOT / "scripts/train_embedding.py"
    flags = ["--store", tiny_store.root, "--eval-store", tiny_store.root, *TINY, *NET, "--fit.steps", 2]
    first = command(script, "--run", "r", *flags, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert load_embedding(tmp_path / first.stdout.strip()).dim == 4
    written = configs.load(TrainConfig, tmp_path / "r/config.yaml")
    assert written.fit == FitConfig(steps=2, warmup=1, device="cpu") and written.options["dim"] == 4

    again = command(script, "--config", "r/config.yaml", "--run", "r2", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    weights = [tmp_path / folder / "checkpoints/step-00000002/weights.safetensors" for folder in ("r", "r2")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (tmp_path / "r/metrics.json").read_bytes() == (tmp_path / "r2/metrics.json").read_bytes()

    other = command(script, "--config", "r/config.yaml", "--fit.lr", 0.1, cwd=tmp_path)
    assert other.returncode == 2 and "fit.lr = 0.001" in other.stderr


def test_a_pretext_task_with_a_backbone_of_ones_own_from_here(tiny_store, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width: int = 4) -> None:\n"
        "        super().__init__(nn.Conv2d(3, width, 4, 4))\n"
        "        self.channels = width\n"
    )
    flags = ["--store", tiny_store.root, "--run", "r", "--backbone", "mine:Net", "--fit.steps", 1, "--fit.warmup", 0]
    shown = command(ROOT / "scripts/train_pretext.py", *flags, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    with pytest.raises(Exception, match="pass allow="):
        load_objective(tmp_path / shown.stdout.strip())


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--name", "rotatoin"], 2, "the nearest are rotation"),
        (["--backbone", "resnt"], 2, "the nearest are resnet"),
        (["--options", "btach=3"], 2, "no option 'btach'"),
        (["--store", "nowhere"], 3, "nowhere is not a folder of episodes"),
        (["--init", "nowhere"], 4, "nowhere"),
        (["--run", "file/run"], 5, "cannot write file/run"),
    ],
)
def test_bad_input_is_one_line(flags: list, code: int, message: str, tiny_store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    base = ["--store", tiny_store.root, "--run", "r", "--fit.steps", 1]
    shown = command(ROOT / "scripts/train_pretext.py", *base, *flags, cwd=tmp_path)
    assert shown.returncode == code and message in shown.stderr
    assert shown.stderr.count("\n") == 1 and shown.stdout == ""
    assert not (tmp_path / "r").exists()
