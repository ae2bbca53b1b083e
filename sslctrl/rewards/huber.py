"""TCN's reward: quadratic far away, pointed near the goal (Sermanet et al. 2018, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslctrl.errors import InputError
from sslctrl.rewards.base import check, finite


@dataclass(frozen=True)
class Huber:
    """-alpha d^2 - beta sqrt(gamma + d^2), d = |z_next - goal|. With 1, 1, 0 and d = 2 it is -6."""

    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}; allowed is 0 or more; change it")

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return float32 (N,). Raises InputError on shapes."""
        _, z_next, goal = check(z, z_next, goal)
        squared = np.square(z_next - goal).sum(axis=1)
        return finite(-self.alpha * squared - self.beta * np.sqrt(self.gamma + squared))
