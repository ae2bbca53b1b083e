"""Alignment of embeddings in time: across the views of an episode, and between episodes (TCN, section 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import kendalltau

from sslctrl.errors import InputError
from sslctrl.sampling import camera_indices

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.store import EpisodeStore

UNIFORM_GUESS = 1 / 3
"""Expected alignment error of a nearest neighbour drawn uniformly, for long episodes."""


def alignment_error(z_a: np.ndarray, z_b: np.ndarray) -> float:
    """Return mean |t - t_nn| / T of two views of an episode, (T, D) each, over both directions.

    t_nn: the step of the other view nearest in Euclidean distance; equally near ones count by their mean |t - t_nn|,
    so that a collapsed embedding scores as guessing and not as always naming step 0. Raises InputError on shapes.
    """
    z_a, z_b = _checked(z_a, z_b)
    if len(z_a) != len(z_b):
        raise InputError(
            f"the views have {len(z_a)} and {len(z_b)} steps; allowed is the same number; pass one episode"
        )
    distances = cdist(z_a, z_b)
    return 0.5 * (_chosen_error(_nearest(distances)) + _chosen_error(_nearest(distances.T)))


def alignment_over_views(views: Mapping[str, np.ndarray]) -> float:
    """Return the mean alignment error over every pair of views of an episode, (T, D) each. Raises InputError below
    two.
    """
    if len(views) < 2:
        raise InputError(f"views are {', '.join(views) or 'none'}; allowed are two or more; embed another camera")
    return float(np.mean([alignment_error(first, second) for first, second in combinations(views.values(), 2)]))


def alignment_of(
    embedding: Embedding, store: EpisodeStore, cameras: Sequence[str] = (), against: str = ""
) -> np.ndarray:
    """Return each episode's alignment error, (E,), over all pairs of `cameras` (all where none is named).

    Where `against` names a camera, only its pairs with the others count: so a camera is scored that training never saw.
    Raises InputError for unknown cameras.
    """
    views = camera_indices(store.layout, cameras, at_least=1 if against else 2)
    other = camera_indices(store.layout, (against,)) if against else views[:0]
    pairs = [(a, b) for a in other for b in views if a != b] if against else list(combinations(views, 2))
    if not pairs:
        raise InputError(f"{against} is to be aligned with itself; allowed is another camera; name one")
    errors = []
    for id in store.ids:
        frames = store.read(id).frames
        z = {index: embedding.embed_video(frames[index]) for index in {*views.tolist(), *other.tolist()}}
        errors.append(np.mean([alignment_error(z[a], z[b]) for a, b in pairs]))
    return np.array(errors)


def state_floor(positions: np.ndarray, resolution: float) -> float:
    """Return the alignment error of an observer who sees the true state, (T, S), but only to `resolution` (its unit,
    m).

    In the other view the same step has exactly the same state, so that a plain nearest neighbour would never err. A
    static stretch makes the task ill-posed all the same: no picture tells its steps apart. So the observer picks
    uniformly among all steps whose every coordinate is within `resolution` of the step's. Pass positions alone, since
    one frame shows no velocity, and a resolution that a pixel can show. 0 in an episode that never stands still; (T^2
    - 1) / 3 T^2 in one that never moves.
    """
    positions, _ = _checked(positions, positions)
    if not resolution >= 0:
        raise InputError(f"resolution is {resolution}; allowed is 0 or more, in the state's unit; change it")
    return _chosen_error(cdist(positions, positions, "chebyshev") <= resolution)


def kendall_tau(z_a: np.ndarray, z_b: np.ndarray) -> float:
    """Return Kendall's tau-b between the steps of one episode (T, D) and their nearest neighbours in another (U, D).

    1: the same order; 0: none, also where all have the same neighbour (Dwibedi et al. 2019, section 4.2). Raises
    InputError on shapes.
    """
    z_a, z_b = _checked(z_a, z_b)
    neighbours = cdist(z_a, z_b).argmin(axis=1)
    if len(np.unique(neighbours)) < 2:
        return 0.0
    result = kendalltau(np.arange(len(z_a)), neighbours)
    return float(result.statistic)  # pyright: ignore[reportAttributeAccessIssue]  # untyped


def _nearest(distances: np.ndarray) -> np.ndarray:
    """Mark each row's smallest distance, all of them where they are equal: bool (T, T)."""
    return distances == distances.min(axis=1, keepdims=True)


def _chosen_error(chosen: np.ndarray) -> float:
    """Mean |t - u| / T where u is drawn uniformly from the marked columns of row t: bool (T, T)."""
    steps = np.arange(len(chosen))
    gap = np.abs(steps[:, None] - steps)
    return float(((gap * chosen).sum(axis=1) / chosen.sum(axis=1)).mean() / len(chosen))


def _checked(z_a: np.ndarray, z_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z_a, z_b = np.asarray(z_a, np.float64), np.asarray(z_b, np.float64)
    good = z_a.ndim == z_b.ndim == 2 and z_a.shape[1] == z_b.shape[1] and min(z_a.shape + z_b.shape) > 0
    if not good or not (np.isfinite(z_a).all() and np.isfinite(z_b).all()):
        raise InputError(
            f"the embeddings are {z_a.shape} and {z_b.shape}; allowed are finite (T, D) and (U, D); check them"
        )
    return z_a, z_b
