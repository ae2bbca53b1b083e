"""The directions of an embedding that change slowly and look the same from everywhere, found without labels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sslctrl.sampling import camera_indices

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.store import EpisodeStore

WHITE_NOISE = 0.5
"""Variance of white noise over that of its change from one moment to another."""
_EPISODES = 60
_STEPS = 32
_LAG = 4  # steps: a sixth of a second in our worlds; single-view TCN takes frames 0.2 s apart for the same


def slow_features(
    embedding: Embedding, store: EpisodeStore, cameras: Sequence[str], rng: np.random.Generator
) -> Tensor:
    """Return the rows (D, D) that turn an embedding z into its slow features, the slowest first (Wiskott and
    Sejnowski 2002, section 3).

    Noise is what z changes by within a sixth of a second, and what two cameras disagree on at one step. Features vary
    more than white noise would beside that; the rest, rows of zeros, is left out. A feature's variance within an
    episode is the square of its ratio to the noise: the slower, the more it weighs. So what moves all the time, as a
    robot's hand, weighs less than what moves now and then, as the things it pushes.
    """
    views = camera_indices(store.layout, cameras)
    lag = min(_LAG, int(store.lengths.max()) - 1)
    changes, spreads, disagreements = [], [], []
    for index in rng.permutation(np.flatnonzero(store.lengths > lag))[:_EPISODES]:
        frames = store.read(store.ids[index]).frames
        count = frames.shape[1] - lag
        before = rng.choice(count, size=min(_STEPS, count), replace=False)
        pairs = frames[views][:, [before, before + lag]]  # (V, 2, n, H, W, 3)
        z = embedding.embed_hwc(pairs.reshape(-1, *pairs.shape[3:])).reshape(*pairs.shape[:3], -1).astype(np.float64)
        changes.append(z[:, 1] - z[:, 0])
        spreads.append(z - z.mean(axis=(0, 1, 2)))
        disagreements += [z[a] - z[b] for a, b in combinations(range(len(views)), 2)]
    noise = _second_moment(changes) + (_second_moment(disagreements) if disagreements else 0)
    values, vectors = np.linalg.eigh(noise)
    floor = max(values[-1] * 1e-6, 1e-12)  # a dead dimension must not weigh without bound
    white = vectors / np.sqrt(np.maximum(values, floor))
    ratios, turned = np.linalg.eigh(white.T @ _second_moment(spreads) @ white)
    slowest = np.argsort(-ratios)[: max(1, int((ratios > WHITE_NOISE).sum()))]
    rows = np.zeros_like(noise)
    rows[: len(slowest)] = (white @ turned[:, slowest] * np.sqrt(ratios[slowest])).T
    return torch.from_numpy(rows).float()


def _second_moment(parts: list[np.ndarray]) -> np.ndarray:
    """Return the covariance about 0 of vectors (..., D), shrunk as Ledoit and Wolf (2004) do."""
    from sklearn.covariance import ledoit_wolf  # half a second, which only the end of a training pays

    rows = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    return ledoit_wolf(rows, assume_centered=True)[0]
