"""What can be read from a backbone's features without training it: where things are, and what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional

from scripts.bench._classifier import Classifier
from scripts.bench._data import CLASSES, labels_of, store_of
from scripts.bench._jobs import Measured
from sslctrl.metrics.probe import probe_r2
from sslctrl.objective import Objective, channels_first, to_float
from sslctrl.store import EpisodeStore
from vision.image.split_brain import SplitBrain

Features = Callable[[Tensor], Tensor]
"""Of float images (N, 3, H, W) in [0, 1]: (N, D)."""
PLACES = (0, 1, 4, 5)
"""Columns of a pushing state: x and y of hand and puck."""
_SIDE = 4
_COMPONENTS = 128
_LABELLED = {"train": 5_000, "test": 2_000}
"""Images to fit the classifiers on, and to test them on."""


def pooled(objective: Objective) -> Features:
    """Return the map of an objective's backbone, in eval mode, its means over 4 x 4 areas side by side; of a split
    brain on images, both halves'.
    """
    objective.eval()
    maps: Features = objective.backbone
    if isinstance(objective, SplitBrain) and objective.split == "lab":
        maps = objective.features
    return lambda images: functional.adaptive_avg_pool2d(maps(images), _SIDE).flatten(1)


def principal(store: EpisodeStore) -> Features:
    """Return the 128 principal components of raw pixels, of a store's frames."""
    pixels = np.concatenate([store.read(id).frames[0, ::4] for id in store.ids[:100]])
    found = PCA(min(_COMPONENTS, len(pixels) - 1), random_state=0).fit(pixels.reshape(len(pixels), -1) / 255.0)
    return lambda images: torch.from_numpy(found.transform(images.movedim(1, -1).flatten(1).numpy()))


def positions(features: Features, store: EpisodeStore) -> Measured:
    """Return how well the places of hand and puck can be read."""
    return {"probe_r2": state_r2(features, store, PLACES)}


def state_r2(features: Features, store: EpisodeStore, columns: tuple[int, ...]) -> float:
    """Return the mean R^2 of a ridge regression of columns of the true state from the first camera's frames, on
    episodes held out.
    """
    episodes = [store.read(id) for id in store.ids]
    z = np.concatenate([_of(features, episode.frames[0]) for episode in episodes])
    state = np.concatenate([episode.state[:, columns] for episode in episodes])
    return float(probe_r2(z, state, np.repeat(np.arange(len(episodes)), store.lengths)).mean())


def classes(features: Features) -> Measured:
    """Return which shares of Fashion-MNIST's test images 1 and 5 neighbours, and logistic regression, name rightly."""
    (fitted, labels), (asked, true) = (
        (_of(features, frames), labels) for frames, labels in (labelled("train"), labelled("test"))
    )
    scaler = StandardScaler().fit(fitted)
    fitted, asked = scaler.transform(fitted), scaler.transform(asked)
    models = {"1nn": KNeighborsClassifier(1), "5nn": KNeighborsClassifier(5), "logistic": _logistic()}
    return {name: float(model.fit(fitted, labels).score(asked, true)) for name, model in models.items()}


def labelled(part: Literal["train", "test"]) -> tuple[np.ndarray, np.ndarray]:
    """Return some of Fashion-MNIST's images, uint8 (N, 32, 32, 3), and their classes, int (N,)."""
    store, count = store_of("fashion", part), _LABELLED[part]
    return np.concatenate([store.read(id).frames[0] for id in store.ids])[:count], labels_of(store)[:count]


@torch.no_grad()
def covered(generated: Tensor, classifier: Classifier, sure: float = 0.0) -> int:
    """Return how many of Fashion-MNIST's ten classes generated images (N, 3, 32, 32) cover: a fortieth or more, a
    quarter of a class's share, are of it as a classifier says that is at least so `sure`.

    At 0.9: 10 of true images, 5 of true images blended two by two, 0 blended four by four.
    """
    odds = classifier.logits(generated).softmax(1)
    said = odds.argmax(1)[odds.amax(1) >= sure]
    return int((said.bincount(minlength=len(CLASSES)) * 40 >= len(generated)).sum())


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=0.01, max_iter=2000)


@torch.no_grad()
def _of(features: Features, frames: np.ndarray) -> np.ndarray:
    parts = to_float(channels_first(np.asarray(frames)), "cpu").split(256)
    return np.concatenate([features(part).numpy() for part in parts])
