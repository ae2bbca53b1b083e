"""Whether a learned reward ranks moments as the true distance to the goal does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from sslctrl.errors import InputError


def reward_progress(rewards: Sequence[np.ndarray], distances: Sequence[np.ndarray]) -> float:
    """Return the median over episodes of Spearman's correlation between reward and minus the true distance, (T,) each.

    1: the reward ranks the episode's moments as the distance does. A constant reward counts 0; an episode whose
    distance never changes has no ranking and is left out. Raises InputError on shapes, values not finite, or where no
    episode is left.
    """
    if len(rewards) != len(distances):
        raise InputError(f"{len(rewards)} rewards and {len(distances)} distances; allowed is one of each an episode")
    pairs = [_checked(*pair) for pair in zip(rewards, distances, strict=True)]
    values = [_spearman(reward, -distance) for reward, distance in pairs if np.ptp(distance) > 0]
    if not values:
        raise InputError("no episode's true distance changes; allowed is one or more that moves; record other episodes")
    return float(np.median(values))


def _spearman(reward: np.ndarray, progress: np.ndarray) -> float:
    if np.ptp(reward) == 0:
        return 0.0
    return float(spearmanr(reward, progress).statistic)  # pyright: ignore[reportAttributeAccessIssue]  # untyped


def _checked(reward: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reward, distance = np.asarray(reward, np.float64), np.asarray(distance, np.float64)
    if reward.ndim != 1 or reward.shape != distance.shape or len(reward) < 2:
        raise InputError(
            f"reward and distance are {reward.shape} and {distance.shape}; allowed is one shape (T,), T >= 2"
        )
    if not (np.isfinite(reward).all() and np.isfinite(distance).all()):
        raise InputError("a reward or distance is not finite; allowed are finite numbers; check the embedding")
    return reward, distance
