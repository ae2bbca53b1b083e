"""A policy's first layer: inputs to mean 0 and deviation 1, by numbers that are fixed before training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

SEEN = ("observation", "desired_goal")  # of a goal policy's dict; what was achieved is in the observation
LIMIT = 10.0


class Standardize(BaseFeaturesExtractor):
    """(N, O), or a dict of ``observation`` (N, O) and ``desired_goal`` (N, D), to (N, O) or (N, O + D).

    The numbers are buffers, saved with the weights: true states in metres, say, are learned from badly as they are.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, observation_space: gym.Space, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__(observation_space, len(mean))
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, observations: Any) -> Tensor:
        """Return the standardised inputs, no further than 10 deviations out."""
        if isinstance(observations, dict):
            observations = torch.cat([observations[name] for name in SEEN], dim=1)
        return ((observations - self.mean) / self.std).clamp(-LIMIT, LIMIT)


def width_of(space: gym.Space) -> int:
    """Return how many numbers a policy sees."""
    boxes = [space.spaces[name] for name in SEEN] if isinstance(space, gym.spaces.Dict) else [space]
    return sum(box.shape[0] for box in boxes if box.shape)
