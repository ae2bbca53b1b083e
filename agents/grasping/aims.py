"""Where to grasp for a goal: ways to aim, as `envs.grasps.attempt` asks for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agents.grasping.grasps import grasps_in
from agents.grasping.labels import Grasps
from agents.grasping.value import GraspValue, Recorded
from envs.grasps import Aim, bin_to_picture, picture_to_bin
from envs.tray import CENTER_M
from sslctrl.clips import BEFORE, OUTCOME
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore


def by_heat_map(embedding: Grasp2Vec, pictures: np.ndarray) -> Aim:
    """Aim at the highest point of the heat map of outcomes, uint8 (N, H, W, 3): of several, of the embeddings' sum."""
    goal = _goal(embedding, pictures)

    def aim(frame: np.ndarray, present: tuple[str, ...]) -> tuple[np.ndarray, None]:
        heat = embedding.heat_maps(channels_first(frame)[None], goal[None])[0]
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        return picture_to_bin((2 * np.array([column, row]) + 1) / len(frame) - 1), None

    return aim


def by_value(value: GraspValue, embedding: Embedding, pictures: np.ndarray) -> Aim:
    """Aim where the value is highest for outcomes, uint8 (N, H, W, 3): of several, for the embeddings' sum."""
    goal = _goal(embedding, pictures)

    def aim(frame: np.ndarray, present: tuple[str, ...]) -> tuple[np.ndarray, float]:
        place, angle_rad = value.best(frame, goal)
        return picture_to_bin(place), angle_rad

    return aim


def recorded(store: EpisodeStore, embedding: Embedding) -> Recorded:
    """Return a store's grasps with the outcomes' embeddings. Raises DataError where there is none."""
    episodes = list(grasps_in(store))
    frames = np.stack([episode.frames[0] for episode in episodes])
    action = np.stack([episode.action[0] for episode in episodes])
    names = [str(episode.meta["grasped"]) for episode in episodes]
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    grasps = Grasps(
        torch.from_numpy(embedding.embed_hwc(frames[:, OUTCOME])),
        torch.tensor([bool(episode.meta["success"]) for episode in episodes]),
        torch.tensor([number[name] for name in names]),
    )
    scene = channels_first(frames[:, BEFORE])
    place = torch.from_numpy(bin_to_picture(action[:, :2] + CENTER_M)).float()
    return Recorded(scene, place, torch.from_numpy(action[:, 2]).float(), grasps)


def _goal(embedding: Embedding, pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(embedding.embed_hwc(pictures)).sum(0)
