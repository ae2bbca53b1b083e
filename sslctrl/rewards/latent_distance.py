"""RIG's reward: minus the distance to the goal (Nair, Pong et al. 2018, section 4.2)."""

from __future__ import annotations

import numpy as np

from sslctrl.rewards.base import check, finite


class LatentDistance:
    """-|z_next - goal|_2. For (3, 4) and a goal of (0, 0) it is -5."""

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return float32 (N,). Raises InputError on shapes."""
        _, z_next, goal = check(z, z_next, goal)
        return finite(-np.linalg.norm(z_next - goal, axis=1))
