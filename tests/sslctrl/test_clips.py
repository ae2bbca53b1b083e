"""What travels with the frames where the pick asks for it: labels of the sampler's, and depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from squares import moving_square

from sslctrl.clips import Pick
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore


def random_pick(store: EpisodeStore, rng: np.random.Generator) -> Pick:
    episode, view = rng.integers(0, len(store), 7), rng.integers(0, 3, (7, 2))
    return Pick(episode, view, rng.integers(0, store.lengths[episode][:, None, None], size=(7, 2, 3)))


def test_labels_travel_with_the_clips(tiny_store: EpisodeStore) -> None:
    pick = random_pick(tiny_store, np.random.default_rng(2))
    assert tiny_store.clips(pick).label is None
    label = tiny_store.clips(pick._replace(label=np.arange(7, dtype=np.int32))).label
    assert label is not None and label.dtype == torch.int64 and label.tolist() == list(range(7))
    for wrong in (np.arange(6), np.arange(7.0)):
        with pytest.raises(InputError, match="label"):
            tiny_store.clips(pick._replace(label=wrong))


def test_depth_is_kept_where_it_was_recorded_and_asked_for(tmp_path: Path, tiny_store: EpisodeStore) -> None:
    store = EpisodeStore(tmp_path / "deep", create=True)
    rng = np.random.default_rng(0)
    for seed in range(2):
        episode = moving_square(seed, steps=5 + seed)
        store.add(episode._replace(depth=rng.integers(0, 2**16, episode.frames.shape[:-1], dtype=np.uint16)))
    assert EpisodeStore(store.root).verify() == []
    pick = Pick(np.array([1, 0, 1]), np.array([[0, 2], [1, 1], [2, 0]]), rng.integers(0, 5, (3, 2, 3)), depth=True)
    clips = EpisodeStore(store.root).clips(pick)
    assert clips.depth is not None and clips.depth.dtype == torch.float32
    for b, v, t in np.ndindex(3, 2, 3):
        depth = store.read(store.ids[pick.episode[b]]).depth
        assert depth is not None
        wanted = depth[pick.view[b, v], pick.step[b, v, t]].astype(np.float32) / 1000
        np.testing.assert_array_equal(clips.depth[b, v, t].numpy(), wanted)
    assert store.clips(pick._replace(depth=False)).depth is None
    with pytest.raises(DataError, match="has no depth"):
        tiny_store.clips(random_pick(tiny_store, rng)._replace(depth=True))
    with pytest.raises(InputError, match="depth is uint8"):
        store.add(moving_square(0)._replace(depth=np.zeros((3, 13, 32, 32), np.uint8)))
