"""What a heat map sees: goals, and where in the bin they are found."""

from __future__ import annotations

from itertools import islice

import cv2
import numpy as np

from agents.grasping.grasps import grasps_in
from sslctrl.clips import BEFORE, OUTCOME
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import DataError
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore
from sslctrl.views import enlarge

TILE_PX, GRASPS = 192, 5


def grasps_shown(store: EpisodeStore) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes and scenes before, uint8 (N, H, W, 3) each, of the first five grasps of a store that succeeded.

    Raises DataError where there is none.
    """
    frames = list(islice((episode.frames[0] for _, episode in grasps_in(store) if episode.meta["success"]), GRASPS))
    if not frames:
        raise DataError(f"{store.root} holds no grasp that succeeded; allowed is one or more; record more grasps")
    return np.stack([one[OUTCOME] for one in frames]), np.stack([one[BEFORE] for one in frames])


def heat_picture(embedding: Grasp2Vec, goals: np.ndarray, scenes: np.ndarray) -> np.ndarray:
    """Return a picture, uint8 (2 S, N S, 3), S >= 192, of N outcomes and below them the scenes, uint8 (N, H, H, 3)
    both: red where the outcome's heat is above the median, and a circle where it is highest.
    """
    heat = embedding.heat_maps(channels_first(scenes), embedding.embed(channels_first(goals))).cpu().numpy()
    goals, scenes = enlarge(goals, TILE_PX), enlarge(scenes, TILE_PX)
    columns = [np.concatenate([goal, _found(*pair)]) for goal, *pair in zip(goals, scenes, heat, strict=True)]
    return np.concatenate(columns, axis=1)


def _found(scene: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return an enlarged scene (S, S, 3) with its heat map (H, H) over it."""
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    usual, most = float(np.median(heat)), float(heat.max())  # the empty bin has a heat of its own
    share = cv2.resize(np.clip((heat - usual) / max(most - usual, 1e-9), 0, 1), scene.shape[:2])[..., None]
    warm = (1 - 0.7 * share) * scene + 0.7 * share * np.array([255, 30, 0])
    scale = len(scene) / len(heat)
    center = (round(scale * (column + 0.5)), round(scale * (row + 0.5)))
    return cv2.circle(np.ascontiguousarray(warm.round(), np.uint8), center, len(scene) // 10, (0, 0, 0), 2, cv2.LINE_AA)
