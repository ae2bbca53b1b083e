"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: two threads collapse on busy cores
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from pathlib import Path

import pytest
from squares import moving_square

from sslctrl.store import EpisodeStore


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


@pytest.fixture(scope="session")
def other_store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Six other episodes of the kind, held out from those of `tiny_store`; do not add to it."""
    store = EpisodeStore(tmp_path_factory.mktemp("other") / "store", create=True)
    for seed in range(6):
        store.add(moving_square(50 + seed, steps=9 + seed))
    return store


@pytest.fixture
def square_store(tmp_path: Path) -> EpisodeStore:
    """Two short episodes in a store of the test's own, to damage or add to."""
    store = EpisodeStore(tmp_path / "store", create=True)
    for seed in range(2):
        store.add(moving_square(seed, steps=5))
    return store
