"""Whether distances between embeddings are those between places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from sslctrl.errors import InputError


class Distances(NamedTuple):
    """Of random pairs of moments, (pairs,) each."""

    latent: np.ndarray
    true_m: np.ndarray
    rank_correlation: float
    """Spearman's, of the two; 0 where one of them never differs."""


def compared(z: np.ndarray, places: np.ndarray, pairs: int, rng: np.random.Generator) -> Distances:
    """Compare random pairs of moments in embeddings (N, D) and in true positions (N, P), metres. Raises InputError
    where these are not finite.
    """
    if not (np.isfinite(z).all() and np.isfinite(places).all()):
        raise InputError("embeddings or places are not finite; allowed are finite numbers; see what went wrong before")
    first, second = rng.integers(len(z), size=(2, pairs))
    latent, true_m = (np.linalg.norm(values[first] - values[second], axis=1) for values in (z, places))
    differ = np.ptp(latent) > 0 and np.ptp(true_m) > 0
    return Distances(latent, true_m, float(np.asarray(spearmanr(latent, true_m))[0]) if differ else 0.0)
