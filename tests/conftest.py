"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two threads collapse on busy cores
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest

from sslctrl.clips import Episode
from sslctrl.store import EpisodeStore

CAMERAS = ["front", "left", "right"]


def moving_square(seed: int, steps: int = 12, size_px: int = 32, views: int = 3) -> Episode:
    """Record a square that walks over a textured ground; each view sees the same walk mirrored or turned."""
    rng = np.random.default_rng(seed)
    motion = rng.uniform(-0.12, 0.12, (steps, 2)).astype(np.float32)
    place = np.clip(0.5 + np.cumsum(np.concatenate([rng.uniform(-0.3, 0.3, (1, 2)), motion]), 0), 0.1, 0.9)
    place = place.astype(np.float32)
    ground = rng.integers(0, 60, (size_px, size_px, 3)).astype(np.uint8)
    color = rng.integers(150, 256, 3).astype(np.uint8)
    frames = np.empty((views, steps + 1, size_px, size_px, 3), np.uint8)
    for step, (x, y) in enumerate(place):
        image = ground.copy()
        top, left = (round(v * (size_px - 8)) for v in (float(y), float(x)))
        image[top : top + 8, left : left + 8] = color
        for view in range(views):
            frames[view, step] = np.rot90(image, view) if view != 1 else image[:, ::-1]
    meta = {
        "env_id": "test/MovingSquare-v0",
        "seed": seed,
        "cameras": CAMERAS[:views],
        "state_names": ["x", "y"],
        "dt_s": 0.1,
        "versions": {},
        "success": bool(place[-1, 0] > 0.5),
        "length": steps,
    }
    reward = -np.linalg.norm(place[1:] - 0.5, axis=1).astype(np.float32)
    return Episode(frames, place, place[:, :1].copy(), motion, reward, meta)


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """Keep torch to one thread, where it is installed."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Six episodes of a moving square, 9 to 14 steps, three views of 32 px; do not add to it."""
    store = EpisodeStore(tmp_path_factory.mktemp("tiny") / "store", create=True)
    for seed in range(6):
        store.add(moving_square(seed, steps=9 + seed))
    return store


@pytest.fixture
def square_store(tmp_path: Path) -> EpisodeStore:
    """Two short episodes in a store of the test's own, to damage or add to."""
    store = EpisodeStore(tmp_path / "store", create=True)
    for seed in range(2):
        store.add(moving_square(seed, steps=5))
    return store
