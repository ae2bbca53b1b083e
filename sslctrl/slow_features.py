"""The directions of an embedding that change slowly and look the same from everywhere, found without labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sslctrl.clips import Episode, seconds_a_step
from sslctrl.sampling import camera_indices

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.store import EpisodeStore

_WHITE_NOISE = 0.5  # its variance over that of its change from one moment to another
_EPISODES = 60
_PAIRS = 60 * 32  # of moments, in each camera: over all episodes


def slow_features(
    embedding: Embedding, store: EpisodeStore, cameras: Sequence[str], lag_s: float, rng: np.random.Generator
) -> Tensor:
    """Return the rows (D, D) that turn an embedding z into its slow features, the slowest first (Wiskott and
    Sejnowski 2002, section 3).

    Noise is what z changes by within `lag_s` seconds, a step at least, and what two cameras disagree on at one step.
    Kept are the features whose variance within an episode is more than half their noise, as white noise's would be; the
    other rows are zeros, and where none is kept the rows are the identity. A feature is scaled so that this variance is
    the square of its ratio to the noise: the slower, the more it weighs. So what moves all the time, as a robot's hand,
    weighs less than what moves now and then, as the things it pushes.
    """
    views = camera_indices(store.layout, cameras)
    chosen = rng.permutation(np.flatnonzero(store.lengths >= 2))[:_EPISODES]
    changes, spreads, disagreements = [], [], []
    for index in chosen:
        episode = store.read(store.ids[index])
        moments = _pairs_of_moments(episode, math.ceil(_PAIRS / len(chosen)), lag_s, rng)
        frames = episode.frames[views[:, None, None], moments]  # (V, 2, n, H, W, 3)
        z = embedding.embed_hwc(frames.reshape(-1, *frames.shape[3:])).reshape(*frames.shape[:3], -1).astype(np.float64)
        changes.append(z[:, 1] - z[:, 0])
        spreads.append(z - z.mean(axis=(0, 1, 2)))
        disagreements += [z[a] - z[b] for a, b in combinations(range(len(views)), 2)]
    noise = _shrunk_covariance(changes) + (_shrunk_covariance(disagreements) if disagreements else 0)
    values, vectors = np.linalg.eigh(noise)
    white = vectors / np.sqrt(np.maximum(values, max(values[-1] * 1e-6, 1e-12)))
    ratios, turned = np.linalg.eigh(white.T @ _shrunk_covariance(spreads) @ white)
    slowest = np.argsort(-ratios)[: int((ratios > _WHITE_NOISE).sum())]
    if not len(slowest):
        return torch.eye(embedding.dim)
    rows = np.zeros_like(noise)
    rows[: len(slowest)] = (white @ turned[:, slowest] * np.sqrt(ratios[slowest])).T
    return torch.from_numpy(rows).float()


def _pairs_of_moments(episode: Episode, count: int, lag_s: float, rng: np.random.Generator) -> np.ndarray:
    """Draw up to so many steps, and those so much later: int (2, n)."""
    length = episode.frames.shape[1]
    lag = round(min(max(1, lag_s / seconds_a_step(episode.meta)), length - 1))
    before = rng.choice(length - lag, size=min(count, length - lag), replace=False)
    return np.stack([before, before + lag])


def _shrunk_covariance(parts: list[np.ndarray]) -> np.ndarray:
    """Return the covariance about 0 of vectors (..., D), shrunk as Ledoit and Wolf (2004) do."""
    from sklearn.covariance import ledoit_wolf  # half a second, which only the end of a training pays

    rows = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    return ledoit_wolf(rows, assume_centered=True)[0]
