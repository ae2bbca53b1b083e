"""Pictures of a bin with none to five objects in it: how many are there?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from envs.collect import record_missing
from envs.env import RobotEnv
from envs.tasks.grasp import AWAY_M, IN_BIN, Grasp
from scripts.bench._image_probe import Features, state_r2
from sslctrl.clips import Episode
from sslctrl.footage import footage
from sslctrl.store import EpisodeStore

_PICTURES = 50


def record_bins(folder: Path, count: int, randomize: float, seed: int, workers: int) -> EpisodeStore:
    """Record until a folder holds `count` episodes of fifty bins; the state is how many objects are in each."""
    return record_missing(partial(_bins, randomize, seed), folder, count, workers, "loky")


def numbers(features: Features, store: EpisodeStore) -> float:
    """Return how well the number of objects can be read: R^2."""
    return state_r2(features, store, (0,))


def _bins(randomize: float, seed: int, index: int) -> Episode:
    env = RobotEnv("grasp", "train", randomize=randomize, cameras=("front",))
    assert isinstance(env.task, Grasp)
    rng = np.random.default_rng([seed, index])
    left = rng.integers(IN_BIN + 1, size=_PICTURES)
    frames = []
    for count in left:
        env.reset(seed=int(rng.integers(2**31)))
        for place, thing in enumerate(env.task.present[count:], start=1):
            env.sim.place(thing.name, (AWAY_M[0] - place, *AWAY_M[1:]))
        frames.append(env.frames()[0])
    env.close()
    return footage(np.stack(frames)[None], ("front",), state=left[:, None].astype(np.float32), state_names=("objects",))
