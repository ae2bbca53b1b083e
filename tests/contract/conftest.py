"""Video that every objective can learn from."""

from __future__ import annotations

import pytest
from squares import moving_square

from sslctrl.store import EpisodeStore


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Six episodes of a moving square, 9 to 14 steps, and eight as short as grasps; three views of 32 px; do not add to
    it.
    """
    store = EpisodeStore(tmp_path_factory.mktemp("contract") / "store", create=True)
    for seed, steps in enumerate([9, 10, 11, 12, 13, 14] + 8 * [2]):
        store.add(moving_square(seed, steps=steps))
    return store
