"""How often what is grasped is what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import get_args

import numpy as np

from agents.grasping.grasps import grasps_in
from envs.grasps import Aim, attempt, present_in
from envs.tasks.base import Variety
from sslctrl.clips import OUTCOME
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore

FIRST_START = 3_000_000
Asking = Callable[[np.ndarray], Aim]
"""How to aim for what pictures show, uint8 (n, H, W, 3)."""


def outcomes(store: EpisodeStore) -> dict[str, np.ndarray]:
    """Return the pictures, uint8 (n, H, W, 3), of each object in the gripper: goals to ask with."""
    found: dict[str, list[np.ndarray]] = {}
    for _, episode in grasps_in(store):
        if episode.meta["success"]:
            found.setdefault(episode.meta["grasped"], []).append(episode.frames[0, OUTCOME])
    return {name: np.stack(frames) for name, frames in found.items()}


def variety_of(store: EpisodeStore) -> str:
    """Return which kind of objects a store's grasps are of. Raises DataError where it does not say."""
    _, first = next(grasps_in(store))
    if first.meta.get("variety") not in get_args(Variety):
        raise DataError(
            f"{store.root} says that its objects are of variety {first.meta.get('variety')!r}; allowed are "
            f"{', '.join(get_args(Variety))}: what scripts/collect_grasps.py records; give such grasps"
        )
    return first.meta["variety"]


def share_grasped(
    aim: Asking,
    pictures: Mapping[str, np.ndarray],
    variety: str,
    starts: int,
    rng: np.random.Generator,
    asked: int = 1,
    shuffled: bool = False,
) -> float:
    """Return the share of starts in which one of the first `asked` of five objects was grasped.

    `aim` is shown a picture of each of these, uint8 (asked, H, W, 3); `shuffled`: one of any of the five, the baseline
    that grasps something. Starts with an object that has no picture are left out; raises InputError where none is left.
    """
    right = []
    for seed in range(FIRST_START, FIRST_START + starts):
        present = present_in(variety, seed)
        wanted = rng.choice(present, 1) if shuffled else present[:asked]
        if set(wanted) <= set(pictures):
            goals = np.stack([pictures[name][rng.integers(len(pictures[name]))] for name in wanted])
            right.append(attempt(variety, seed, aim(goals), goals.shape[1]).grasped in present[:asked])
    if not right:
        raise InputError(
            f"no start has an object among {', '.join(sorted(pictures))}; give more pictures, or more starts"
        )
    return float(np.mean(right))
