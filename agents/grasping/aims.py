"""Where to grasp for a goal: ways to aim, as `envs.grasps.attempt` asks for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agents.grasping.value import GraspValue
from envs.grasps import Aim, picture_to_bin
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.objective import channels_first


def by_heat_map(embedding: Grasp2Vec, pictures: np.ndarray) -> Aim:
    """Aim at the highest point of the heat map of outcomes, uint8 (N, H, W, 3): of several, of the embeddings' sum."""
    goal = _goal(embedding, pictures)

    def aim(frame: np.ndarray, present: tuple[str, ...]) -> tuple[np.ndarray, None]:
        heat = embedding.heat_maps(channels_first(frame)[None], goal[None])[0]
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        return picture_to_bin((2 * np.array([column, row]) + 1) / len(frame) - 1), None

    return aim


def by_value(value: GraspValue, pictures: np.ndarray) -> Aim:
    """Aim where the value is highest for outcomes, uint8 (N, H, W, 3): of several, for the embeddings' sum."""
    goal = _goal(value.goals, pictures)

    def aim(frame: np.ndarray, present: tuple[str, ...]) -> tuple[np.ndarray, float]:
        place, angle_rad = value.best(frame, goal)
        return picture_to_bin(place), angle_rad

    return aim


def _goal(embedding: Embedding, pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(embedding.embed_hwc(pictures)).sum(0)
