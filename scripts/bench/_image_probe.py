"""What can be read from a backbone's features without training it: where things are, and what they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from scripts.bench._control_jobs import Measured
from scripts.bench._data import labels_of, store_of
from sslctrl.metrics.probe import probe_r2
from sslctrl.objective import channels_first, to_float
from sslctrl.store import EpisodeStore

Features = Callable[[Tensor], Tensor]
"""Of float images (N, 3, H, W) in [0, 1]: (N, D)."""
PLACES = (0, 1, 4, 5)
"""Columns of a pushing state: x and y of hand and puck."""
_SIDE = 4
_COMPONENTS = 128
_LABELLED = (5_000, 2_000)
"""Images to fit the classifiers on, and to test them on."""


def pooled(backbone: nn.Module) -> Features:
    """Return a backbone's map, its means over 4 x 4 areas side by side."""
    backbone.eval()
    return lambda images: functional.adaptive_avg_pool2d(backbone(images), _SIDE).flatten(1)


def principal(store: EpisodeStore) -> Features:
    """Return the 128 principal components of raw pixels, of a store's frames."""
    pixels = np.concatenate([store.read(id).frames[0, ::4] for id in store.ids[:100]])
    found = PCA(min(_COMPONENTS, len(pixels) - 1), random_state=0).fit(pixels.reshape(len(pixels), -1) / 255.0)
    return lambda images: torch.from_numpy(found.transform(images.movedim(1, -1).flatten(1).numpy()))


def positions(features: Features, store: EpisodeStore) -> Measured:
    """Return the mean R^2 of a ridge regression of hand and puck from one camera's frames, on episodes held out."""
    episodes = [store.read(id) for id in store.ids]
    z = np.concatenate([_of(features, episode.frames[0]) for episode in episodes])
    state = np.concatenate([episode.state[:, PLACES] for episode in episodes])
    number = np.repeat(np.arange(len(episodes)), store.lengths)
    return {"probe_r2": float(probe_r2(z, state, number).mean())}


def classes(features: Features) -> Measured:
    """Return how many of Fashion-MNIST's test images 5 nearest neighbours, and logistic regression, name rightly."""
    z, labels = [], []
    for part, count in zip(("train", "test"), _LABELLED, strict=True):
        store = store_of("fashion", part)
        frames = np.concatenate([store.read(id).frames[0] for id in store.ids])[:count]
        z.append(_of(features, frames))
        labels.append(labels_of(store)[:count])
    scaler = StandardScaler().fit(z[0])
    fitted, asked = map(scaler.transform, z)
    neighbors = KNeighborsClassifier(5).fit(fitted, labels[0])
    logistic = make_pipeline(LogisticRegression(C=0.01, max_iter=2000)).fit(fitted, labels[0])
    return {"knn": float(neighbors.score(asked, labels[1])), "logistic": float(logistic.score(asked, labels[1]))}


@torch.no_grad()
def _of(features: Features, frames: np.ndarray) -> np.ndarray:
    parts = to_float(channels_first(np.asarray(frames)), "cpu").split(256)
    return np.concatenate([features(part).numpy() for part in parts])
