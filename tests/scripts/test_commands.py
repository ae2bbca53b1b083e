"""Every script as a user runs it, from a folder that is not the repository."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from sslctrl import config as configs
from sslctrl.errors import InputError
from sslctrl.fit_config import FitConfig
from sslctrl.footage import footage
from sslctrl.store import EpisodeStore
from sslctrl.views import write_picture
from vision.build import load_embedding, load_objective
from vision.train_config import TrainConfig

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("[a-z]*.py"))

HELP = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "stable_baselines3", "pybullet"):
            raise RuntimeError(f"--help imports {name}")
sys.meta_path.insert(0, Refuse())
script = sys.argv[1]
sys.path.insert(0, script.rpartition("/")[0])
sys.argv = [script, "--help"]
runpy.run_path(script, run_name="__main__")
"""


class Shown(NamedTuple):
    """What a script left on the terminal."""

    code: int
    out: str
    err: str


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a script in this process, since a new one spends seconds on importing torch, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(name: str, *args: object) -> Shown:
        path = str(ROOT / "scripts" / f"{name}.py")
        monkeypatch.setattr(sys, "argv", [path, *map(str, args)])
        code = 0
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as left:
            code = int(left.code or 0)
        return Shown(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_imports_nothing_heavy(name: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    line = [sys.executable, "-W", "error", "-c", HELP, str(ROOT / "scripts" / f"{name}.py")]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "--config FILE" in done.stdout and "(default:" in done.stdout


def test_every_flag_of_every_script_says_what_it_is(script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # a flag and its text on one line, or text on the next
    for name in SCRIPTS:
        shown = script(name, "--help")
        assert shown.code == 0, shown
        texts = shown.out.replace("\n", " ").split(" --")[1:]
        dumb = [text.split()[0] for text in texts if "(default" in text and text.split("(default")[0].count(" ") < 4]
        assert dumb == [], name


def test_collect_refuses_an_unknown_world(script, tmp_path: Path) -> None:
    shown = script("collect", "--out", "d", "--env-id", "sslctrl/Psh-v0")
    assert shown.code == 2 and "sslctrl/Push-v0" in shown.err and shown.err.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_collects_and_goes_on(script) -> None:
    for episodes in (1, 2):
        shown = script("collect", "--out", "d", "--steps", 4, "--workers", 1, "--size-px", 32, "--episodes", episodes)
        assert shown.code == 0, shown.err
        assert f"episodes in d: {episodes};" in shown.out and len(EpisodeStore("d")) == episodes


TINY = ["--options", "dim=4", "size_px=32", "points=4", "hidden=8", "--fit.warmup", 1, "--fit.device", "cpu"]
NET = ["--backbone-options", "widths=[4,8]", "strides=[2,2]"]


@pytest.mark.slow
def test_trains_an_embedding_from_flags_and_again_from_its_own_yaml(
    tiny_store, other_store, script, tmp_path: Path
) -> None:
    flags = ["--store", tiny_store.root, "--eval-store", other_store.root, *TINY, *NET, "--fit.steps", 2]
    first = script("train_embedding", "--run", "r", *flags)
    assert first.code == 0, first.err
    assert load_embedding(first.out.strip()).dim == 4
    written = configs.load(TrainConfig, "r/config.yaml")
    assert written.fit == FitConfig(steps=2, warmup=1, device="cpu") and written.options["dim"] == 4

    again = script("train_embedding", "--config", "r/config.yaml", "--run", "r2")
    assert again.code == 0, again.err
    weights = [tmp_path / folder / "checkpoints/step-00000002/weights.safetensors" for folder in ("r", "r2")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert (tmp_path / "r/metrics.json").read_bytes() == (tmp_path / "r2/metrics.json").read_bytes()

    other = script("train_embedding", "--config", "r/config.yaml", "--fit.lr", 0.1)
    assert other.code == 2 and "fit.lr = 0.001" in other.err


def test_a_pretext_task_with_a_backbone_of_ones_own_in_this_folder(tiny_store, script, tmp_path: Path) -> None:
    (tmp_path / "my_net_here.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width: int = 4) -> None:\n"
        "        super().__init__(nn.Conv2d(3, width, 4, 4))\n"
        "        self.channels = width\n"
    )
    flags = ["--store", tiny_store.root, "--run", "r", "--backbone", "my_net_here:Net", "--fit.steps", 1]
    shown = script("train_pretext", *flags, "--fit.warmup", 0)
    assert shown.code == 0, shown.err
    with pytest.raises(InputError, match="allow="):
        load_objective(shown.out.strip())


def test_a_pretext_task_on_a_folder_of_images(script, tmp_path: Path) -> None:
    for number in range(3):
        write_picture(tmp_path / "pictures" / f"{number}.png", np.full((20, 30, 3), 80 * number, np.uint8))
    flags = ["--images", "pictures", "--image-px", 16, "--crops", 2, "--run", "r", "--fit.steps", 1, "--fit.warmup", 0]
    shown, again = (script("train_pretext", *flags) for _ in range(2))
    assert shown.code == 0 and again.code == 0, shown.err + again.err
    assert (tmp_path / "r" / "picture.png").exists() and len(EpisodeStore(tmp_path / "r" / "images")) == 1
    both = script("train_pretext", *flags, "--store", "r/images")
    assert both.code == 2 and "allowed is one of the three" in both.err


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--task", "rotatoin"], 2, "the nearest are rotation"),
        (["--task", "tcn"], 2, "no pretext task; the nearest are"),
        (["--backbone", "resnt"], 2, "the nearest are resnet"),
        (["--options", "btach=3"], 2, "no option 'btach'"),
        (["--fit.stpes", "3"], 2, "the nearest are --fit.steps"),
        (["--store", "nowhere"], 3, "nowhere is not a folder of episodes"),
        (["--init", "nowhere"], 4, "nowhere"),
        (["--run", "file/run"], 5, "cannot write file/run"),
    ],
)
def test_bad_input_is_one_line(flags: list, code: int, message: str, tiny_store, script, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = script("train_pretext", "--store", tiny_store.root, "--run", "r", "--fit.steps", 1, *flags)
    assert shown.code == code and message in shown.err
    assert shown.err.count("\n") == 1 and shown.out == ""
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_the_recipe_of_grasp2vec_runs_and_goes_on(script, tmp_path: Path) -> None:
    small = ("--run", tmp_path / "g", "--grasps", 40, "--steps", 3, "--starts", 6)
    first, again = (script("recipes/grasp2vec_grasp", *small) for _ in range(2))
    assert first.code == 0 and first.out.splitlines()[-2:] == again.out.splitlines()[-2:]
    assert "known objects: grasps what was asked for in" in first.out and "heldout objects" in first.out
    assert "heat maps" in (tmp_path / "g" / "report.html").read_text()
    assert picture_of(tmp_path / "g", "heat", script).shape == (2 * 192, 5 * 192, 3)
    assert picture_of(tmp_path / "g", "imagined", script) is None  # it imagines nothing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "flags", "says"),
    [
        ("tcn_push", ("--episodes", 2), "agent: reaches the goal from"),
        ("rig_push", ("--episodes", 12), "do_nothing: the puck ends"),
        ("ccrig_push", ("--episodes", 6), "agent, new objects: the object ends"),
    ],
)
def test_recipes_run_to_their_report(name: str, flags: tuple, says: str, script, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shown = script(f"recipes/{name}", "--run", run, "--batches", 3, "--steps", 40, "--starts", 2, *flags)
    assert shown.code == 0 and says in shown.out, shown.err
    page = (run / "report.html").read_text()
    assert "Distances in the embedding" in page and "What the policy does" in page
    assert ("imagined goals" in page) == (name != "tcn_push")
    if name != "tcn_push":
        assert picture_of(run, "imagined", script) is not None
    reached = picture_of(run, "reached", script)
    assert reached is None if name == "tcn_push" else reached.shape == (3 * 192 + 9, 4 * 192, 3)


def test_films_of_two_sizes_make_one_picture(tmp_path: Path, script) -> None:
    for folder, size_px, camera in (("video/demonstration", 16, "left"), ("evaluation/agent", 32, "front")):
        store = EpisodeStore(tmp_path / folder, create=True)
        frames = np.full((1, 51, size_px, size_px, 3), size_px, np.uint8)
        for _ in range(2):
            store.add(footage(frames, (camera,)))
    shown = picture_of(tmp_path, "films", script)
    assert shown is not None and shown.shape == (2 * 192 + 9, 5 * 192, 3)
    assert (shown[0] == 16).all() and (shown[-1] == 32).all()
    late = script("bench/readme_picture", "--run", tmp_path, "--out", tmp_path / "late.png", "--steps", 0, 60)
    assert late.code == 2 and "steps are (0, 60); allowed are 0 to 50" in late.err


def picture_of(run: Path, shows: str, script) -> np.ndarray | None:
    """Return a picture for the README of a run, or None where it is refused in one line."""
    out = run / f"{shows}.png"
    shown = script("bench/readme_picture", "--run", run, "--shows", shows, "--out", out)
    assert out.exists() == (shown.code == 0) and (shown.code == 0 or shown.err.count("\n") == 1)
    return cv2.imread(str(out)) if out.exists() else None
