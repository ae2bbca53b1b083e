"""The parts of the speed bench: how much each measures, in which order, and that each is saved when it is done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from scripts.bench import _speed_learning as learning
from scripts.bench import _speed_renderers as renderers
from scripts.bench import _speed_worlds as worlds
from scripts.bench import _tier
from scripts.bench._figures import Results
from scripts.bench._intervals import Figure
from scripts.bench._speed_config import PARTS, Part, SpeedConfig
from sslctrl.store import EpisodeStore


class Size(NamedTuple):
    """How much is measured."""

    rounds: int
    turns: int
    image_steps: int
    state_steps: int
    draw_scenes: int
    silhouette_scenes: int
    batches: int
    train_steps: int
    episodes: int


FULL = Size(3, 4, 50, 300, 10, 50, 20, 24, 48)
FAST = Size(2, 1, 2, 4, 1, 1, 1, 2, 2)


def measure(config: SpeedConfig) -> dict[str, Figure]:
    """Measure the parts asked for, save after each, and return all figures of the file.

    Raises InputError where panda-gym is missing, DataError or StorageError where the file is bad or cannot be written.
    """
    chosen = [f"--only {' '.join(config.only)}"] * (config.only != PARTS) + ["--fast"] * config.fast
    file = _tier.FAST.file(config.out) if config.fast else config.out
    results = Results(file, " ".join(["python scripts/bench/speed.py", *chosen]))
    torch.set_num_threads(1)  # all comparisons are of one thread
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as scratch:
        for name, part in parts(FAST if config.fast else FULL, Path(scratch)).items():
            if name in config.only:
                results.record(part())
    return results.figures


def parts(size: Size, scratch: Path) -> dict[Part, Callable[[], dict[str, Figure]]]:
    """Return what measures each part, in the order in which they run."""

    def store() -> EpisodeStore:
        return learning.record(scratch / "store", size.episodes)  # recorded at the first call, opened at the next

    return {
        "images": lambda: worlds.image_figures(size.rounds, size.turns, size.image_steps),
        "states": lambda: worlds.state_figures(size.rounds, size.turns, size.state_steps),
        "renderers": lambda: renderers.speed_figures(size.rounds, size.turns, size.draw_scenes),
        "silhouettes": lambda: renderers.silhouette_figures(size.silhouette_scenes),
        "sampler": lambda: learning.sampler_figures(store(), size.rounds, size.turns, size.batches),
        "training": lambda: learning.training_figures(store(), scratch, size.rounds, size.train_steps),
        "workers": lambda: learning.worker_figures(scratch / "workers", size.rounds, size.episodes),
    }
