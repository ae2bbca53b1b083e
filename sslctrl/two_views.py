"""Metrics of an embedding, measured without labels on moments that several views show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sslctrl.sampling import camera_indices

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.store import EpisodeStore

_EPISODES = 40
_STEPS = 12


def noise_metric(embedding: Embedding, store: EpisodeStore, cameras: Sequence[str], rng: np.random.Generator) -> Tensor:
    """Return the symmetric W (D, D) for which |W (z - z')| is the Mahalanobis distance under the views' disagreement.

    The covariance, about 0, of z_a - z_b over pairs of different cameras at the same step, shrunk towards a multiple
    of the identity by Ledoit and Wolf (2004). W has the scale at which the views' disagreement has a mean square of D.
    """
    from sklearn.covariance import ledoit_wolf  # half a second, which only the end of a training pays

    first, second = np.triu_indices(len(camera_indices(store.layout, cameras, at_least=2)), k=1)
    z = _sample(embedding, store, cameras, rng)
    differences = (z[first] - z[second]).reshape(-1, embedding.dim)
    covariance, _ = ledoit_wolf(differences.astype(np.float64), assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    floor = max(values[-1] * 1e-6, 1e-12)  # a dead dimension must not weigh without bound
    return torch.from_numpy(vectors / np.sqrt(np.maximum(values, floor)) @ vectors.T).float()


def balanced_metric(
    embedding: Embedding, store: EpisodeStore, cameras: Sequence[str], rng: np.random.Generator
) -> Tensor:
    """Return the diagonal W under which the two halves of the embedding have a total variance of 1 each."""
    variance = _sample(embedding, store, cameras, rng).reshape(-1, embedding.dim).var(axis=0, dtype=np.float64)
    half = embedding.dim // 2
    scales = np.repeat([variance[:half].sum(), variance[half:].sum()], [half, embedding.dim - half])
    return torch.from_numpy(np.diag(1 / np.sqrt(np.maximum(scales, 1e-12)))).float()


def _sample(embedding: Embedding, store: EpisodeStore, cameras: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Embed the same random moments in every view: (V, N, D)."""
    views = camera_indices(store.layout, cameras, at_least=2)
    parts = []
    for index in rng.permutation(len(store))[:_EPISODES]:
        frames = store.read(store.ids[index]).frames
        steps = rng.choice(frames.shape[1], size=min(_STEPS, frames.shape[1]), replace=False)
        z = embedding.embed_hwc(frames[views][:, steps].reshape(-1, *frames.shape[2:]))
        parts.append(z.reshape(len(views), len(steps), -1))
    return np.concatenate(parts, axis=1)
