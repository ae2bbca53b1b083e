"""The worlds that agents act in, and the goal that a demonstration fixes."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from envs import CAMERAS, registered
from envs.pixels import PixelObservation
from envs.tasks import TASKS
from envs.tasks.base import Task
from sslctrl.clips import Episode
from sslctrl.errors import DataError
from sslctrl.history import History
from sslctrl.store import EpisodeStore

_REDRAWS = 100


class FixedGoal(gym.Wrapper):
    """Every episode has the same goal (G,), metres. Starts that have reached it already are drawn again,
    up to 100 times.
    """

    def __init__(self, env: gym.Env, goal: np.ndarray) -> None:
        super().__init__(env)
        self.goal = np.asarray(goal, np.float64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode towards the goal."""
        options = {**(options or {}), "goal": self.goal}
        started = self.env.reset(seed=seed, options=options)
        for _ in range(_REDRAWS):
            if not started[1]["is_success"]:
                break
            started = self.env.reset(options=options)  # without the seed: the next start of the same stream
        return started


def task_of(env_id: str) -> Task:
    """Return a world's task, without its physics: distances and goals."""
    return TASKS.get(registered(env_id).kwargs["task"])()


def variety_in(env_id: str, asked: str) -> str:
    """Return where colours and shapes come from: as asked or, where that is empty, as the world says."""
    return asked or task_of(env_id).variety


def horizon_of(env_id: str) -> int:
    """Return the control steps of an episode."""
    return int(registered(env_id).max_episode_steps or 0)


def vector_of(makers: list[Callable[[], gym.Env]], processes: bool = False) -> VecEnv:
    """Return worlds side by side, each in a process of its own if asked for."""
    return SubprocVecEnv([partial(_undisturbed, make) for make in makers]) if processes else DummyVecEnv(makers)


def _undisturbed(make: Callable[[], gym.Env]) -> gym.Env:
    """Make a world in a process of its own, which no signal to its group reaches, as Ctrl-C's: who steps it is to save
    first.
    """
    os.setpgrp()
    return make()


def maker(
    env_id: str,
    variety: str,
    camera: str | None,
    size_px: int | None,
    goal: np.ndarray | None,
    history: History = History(),  # noqa: B008 - an immutable tuple
    show_goal: bool = False,
    inside: Callable[[gym.Env], gym.Env] | None = None,
    all_cameras: bool = False,
    randomize: float = 0.0,
    orbit_rad: float = 0.0,
) -> Callable[[], gym.Env]:
    """Return a function that makes a world; no variety: its own; no camera: no frames are rendered. ``inside`` wraps it
    first; it renders what ``camera`` sees, or what all do. How it looks may be random, in strength, and cameras
    elsewhere.
    """
    registered(env_id)

    def make() -> gym.Env:
        settings: dict[str, Any] = {
            "variety": variety or None, "reward": "dense", "randomize": randomize, "orbit_rad": orbit_rad
        }  # fmt: skip
        if camera is not None:  # render no more than is seen
            settings["cameras"] = tuple(dict.fromkeys((*CAMERAS, camera))) if all_cameras else (camera,)
        env = gym.make(env_id, render_mode="rgb_array", disable_env_checker=True, **settings)
        env = env if goal is None else FixedGoal(env, goal)
        env = env if inside is None else inside(env)
        return PixelObservation(env, camera if size_px else None, size_px or 64, history, show_goal)

    return make


def demonstration(path: Path) -> Episode:
    """Return the one demonstration: a store's first episode. Raises DataError where there is none."""
    store = EpisodeStore(path)
    if not store.ids:
        raise DataError(f"{path} holds no demonstration; allowed is a store of one episode or more; record one")
    return store.subset(store.ids[:1]).intact().read(store.ids[0])


def true_goal(episode: Episode, task: Task) -> np.ndarray:
    """Return the goal, float64 (G,), that a demonstration reached. Raises DataError for another task's."""
    if episode.state.shape[1] != len(task.state_names):
        raise DataError(
            f"the demonstration's states have {episode.state.shape[1]} numbers, this world's have "
            f"{len(task.state_names)}; allowed is a demonstration in the same world; record one"
        )
    return np.asarray(task.achieved_goal(episode.state[-1]), np.float64)
