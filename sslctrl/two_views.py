"""How far two views of one moment disagree: the noise of an embedding, measured without labels."""

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

    views = camera_indices(store.layout, cameras, at_least=2)
    differences = []
    for index in rng.permutation(len(store))[:_EPISODES]:
        frames = store.read(store.ids[index]).frames
        steps = rng.choice(frames.shape[1], size=min(_STEPS, frames.shape[1]), replace=False)
        size = frames.shape[2:]
        z = embedding.embed_hwc(frames[views][:, steps].reshape(-1, *size)).reshape(len(views), len(steps), -1)
        first, second = np.triu_indices(len(views), k=1)
        differences.append((z[first] - z[second]).reshape(-1, embedding.dim))
    covariance, _ = ledoit_wolf(np.concatenate(differences).astype(np.float64), assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    floor = max(values[-1] * 1e-6, 1e-12)  # a dead dimension must not weigh without bound
    return torch.from_numpy(vectors / np.sqrt(np.maximum(values, floor)) @ vectors.T).float()
