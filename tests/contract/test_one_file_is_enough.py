"""One new file is a pretext task, or a world, and learning needs no simulator: proved in processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NEW_TASK = '''
"""Which half of the image is brighter?"""
import torch
from torch import nn
from sslctrl.heads import channels_of
from sslctrl.objective import Loss, Objective, to_float
from sslctrl.sampling import random_frames


class Brightness(Objective):
    """A toy."""

    def __init__(self, backbone: nn.Module, batch: int = 8) -> None:
        super().__init__()
        self.backbone, self.batch = backbone, batch
        self.head = nn.Linear(channels_of(backbone), 1)

    def pick(self, layout, rng):
        return random_frames(layout, rng, self.batch)

    def loss(self, clips, rng):
        images = to_float(clips.frames, rng.device).flatten(0, 2)
        told = self.head(self.backbone(images).mean((2, 3)))[:, 0]
        return Loss((told - images.mean((1, 2, 3))).square().mean(), {})
'''

TRAIN = """
import sys
from pathlib import Path
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.fit import FitConfig, fit
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective, load_objective, objective_names

store, runs, *names = sys.argv[1:]
for name in names:
    assert name in objective_names(), objective_names()
    options = {"size_px": 32} if name in EMBEDDINGS.names() else {}
    spec = ObjectiveSpec(name, options, "conv", {"widths": [4, 8], "strides": [2, 2]})
    config = FitConfig(steps=3, warmup=1, device="cpu", progress=False)
    path = fit(build_objective(spec), EpisodeStore(store), Path(runs) / name, config)
    assert load_objective(path).spec.name == name
"""

BLOCK = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pybullet", "gymnasium", "stable_baselines3", "envs", "agents"):
            raise ImportError(f"{name} is blocked in this test")
sys.meta_path.insert(0, Refuse())
"""


def run(code: str, tree: Path, *arguments: str) -> str:
    path = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, cwd=tree, env=os.environ | path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_dropped_in_file_is_listed_and_trained_and_under_contract(tiny_store, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for package in ("sslctrl", "vision", "tests"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "vision" / "image" / "brightness.py").write_text(NEW_TASK)
    run(TRAIN, tree, str(tiny_store.root), str(tmp_path), "brightness")
    listed = run(
        "import pytest; pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', 'tests/contract'])", tree
    )
    assert "test_objectives.py::test_gradient_reaches_every_parameter[brightness]" in listed


NEW_WORLD = '''
"""As Push, anywhere near."""
from envs.tasks.push import Push


class Shove(Push):
    """A toy."""

    success_m = 0.1
'''

RECORD = """
import sys
from pathlib import Path
from envs.collect import collect
from envs.collect_config import CollectConfig
config = CollectConfig(Path(sys.argv[1]), "sslctrl/Shove-v0", episodes=1, cameras=("front",), size_px=16, workers=1)
store = collect(config)
assert store.lengths.tolist() == [51] and store.read(store.ids[0]).meta["env_id"] == "sslctrl/Shove-v0"
"""


@pytest.mark.slow
def test_a_dropped_in_world_is_recorded(tmp_path: Path) -> None:
    for package in ("sslctrl", "envs"):
        shutil.copytree(ROOT / package, tmp_path / package)  # with what numba has compiled
    (tmp_path / "envs" / "tasks" / "shove.py").write_text(NEW_WORLD)
    run(RECORD, tmp_path, str(tmp_path / "store"))


def test_learns_without_simulator_or_agents(tiny_store, tmp_path: Path) -> None:
    run(BLOCK + TRAIN, ROOT, str(tiny_store.root), str(tmp_path), "tcn", "vae", "rotation")


def test_listing_names_imports_no_torch() -> None:
    run(
        "import sys; from vision.image import IMAGE_TASKS; from vision.backbones import BACKBONES; "
        "IMAGE_TASKS.names(), BACKBONES.names(); assert 'torch' not in sys.modules",
        ROOT,
    )
