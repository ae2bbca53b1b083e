"""Whether neighbours in an embedding share discrete facts, across episodes (mfTCN, arXiv 1808.00928, section IV-A)."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from sslctrl.errors import InputError


def neighbors_across(z: np.ndarray, episode: np.ndarray) -> np.ndarray:
    """Return, for each row of z (N, D), the row of ANOTHER episode nearest to it: int (N,). Raises InputError on shapes
    or below two episodes.
    """
    z, episode = np.asarray(z, np.float64), np.asarray(episode)
    if z.ndim != 2 or episode.shape != z.shape[:1] or not np.isfinite(z).all():
        raise InputError(f"z and episode are {z.shape} and {episode.shape}; allowed are finite (N, D) and (N,)")
    if len(np.unique(episode)) < 2:
        raise InputError("all rows are of one episode; allowed are 2 episodes or more; record more")
    found = np.empty(len(z), int)
    for one in np.unique(episode):
        own, others = np.flatnonzero(episode == one), np.flatnonzero(episode != one)
        found[own] = others[cdist(z[own], z[others]).argmin(axis=1)]
    return found


def attribute_error(labels: np.ndarray, neighbors: np.ndarray) -> float:
    """Return the error of giving each row its neighbour's label, averaged over ALL classes that occur.

    labels: int (N,); neighbors: int (N,), as `neighbors_across` gives them. A class that no neighbour ever has counts
    as wholly wrong, so that guessing the commonest of K classes scores 1 - 1/K.
    """
    labels = np.asarray(labels)
    right = labels[neighbors] == labels
    return float(np.mean([1 - right[labels == one].mean() for one in np.unique(labels)]))
