"""What a reward is: a pure function of embeddings. It knows no environment and no image."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sslctrl.errors import InputError


class Reward(Protocol):
    """Reward of a transition towards a goal: pure, batched, finite for finite input."""

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """Return float32 (N,) of embeddings before and after the step and of the goal, (N, D) each. Raises InputError
        on shapes.
        """
        ...


def check(z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three as float64 (N, D), so that no square overflows. Raises InputError unless all are of one such
    shape.
    """
    arrays = [np.asarray(array, np.float64) for array in (z, z_next, goal)]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) != 1 or arrays[0].ndim != 2:
        raise InputError(
            f"z, z_next, goal are {shapes[0]}, {shapes[1]}, {shapes[2]}; allowed is one shape (N, D) for all; "
            "broadcast the goal to the batch"
        )
    return arrays[0], arrays[1], arrays[2]


def finite(values: np.ndarray) -> np.ndarray:
    """Return rewards as float32, clipped to what that holds."""
    limit = np.finfo(np.float32).max
    return np.clip(values, -limit, limit).astype(np.float32)
