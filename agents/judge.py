"""The reward that a policy learns from: a distance to the goal, scaled to the order of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.tasks.base import Task
from sslctrl.errors import InputError
from sslctrl.rewards.base import Reward


class TrueDistance:
    """Minus the task's own distance, metres: the oracle's reward."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return float32 (N,) of achieved and desired goals (N, G)."""
        return -self.task.distance(z_next, goal).astype(np.float32)


@dataclass
class Judge:
    """A reward and its scale."""

    reward: Reward
    scale: float = 1.0
    """Rewards are divided by this."""

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return the scaled rewards, float32 (N,). Raises InputError where they are not finite numbers (N,)."""
        values = np.asarray(self.reward(z, z_next, goal), np.float32)
        if values.shape != (len(z_next),) or not np.isfinite(values).all():
            raise InputError(
                f"{type(self.reward).__name__} gave {values.shape} rewards, finite: {np.isfinite(values).all()}; "
                f"allowed are ({len(z_next)},) finite numbers; mend the reward, or the embedding"
            )
        return values / np.float32(self.scale)
