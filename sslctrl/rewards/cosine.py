"""Grasp2Vec's reward: the cosine between outcome and goal (Jang, Devin et al. 2018, section 4.2)."""

from __future__ import annotations

import numpy as np

from sslctrl.rewards.base import check, finite


class Cosine:
    """z_next . goal / (|z_next| |goal|), in [-1, 1]; 0 where either is the zero vector."""

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return float32 (N,). Raises InputError on shapes."""
        _, z_next, goal = check(z, z_next, goal)
        norms = np.linalg.norm(z_next, axis=1) * np.linalg.norm(goal, axis=1)
        return finite((z_next * goal).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny))
