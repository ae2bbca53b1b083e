"""Episodes from fixed starts: how training and evaluation see what a policy is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from tqdm import tqdm

Act = Callable[[Any, VecEnv], np.ndarray]
"""Observations of n worlds, and the worlds themselves, to actions (n, A)."""
Policy = Callable[[int], Act]
"""How to act in episodes that begin side by side, drawn from a seed and the numbers after it."""


class Outcome(NamedTuple):
    """How one episode ended."""

    success: bool
    distance_m: float
    """True distance to the goal at the end."""
    ret: float
    """Sum of the rewards that the worlds gave: the learned ones, where they are wrapped so."""


def play(env: VecEnv, policy: Policy, seed: int, episodes: int, progress: str | None = None) -> list[Outcome]:
    """Play episodes whose starts are drawn from ``seed``, ``seed + 1``, ..., and return how they ended, in that order.

    ``progress`` names a bar, shown on a terminal. The worlds are left wherever they are then: reset them before use.
    """
    outcomes: list[Outcome] = []
    bar = tqdm(total=episodes, desc=progress, unit="episode", disable=True if progress is None else None, leave=False)
    with bar:
        while len(outcomes) < episodes:
            begin = seed + len(outcomes)
            finished = _side_by_side(env, policy(begin), begin)[: episodes - len(outcomes)]
            outcomes += finished
            bar.update(len(finished))
    return outcomes


def acting(model: BaseAlgorithm) -> Policy:
    """Return a trained model as a policy, without its noise."""
    return lambda seed: lambda observation, env: model.predict(observation, deterministic=True)[0]


def do_nothing(seed: int) -> Act:
    """The policy that stays where it is."""
    return lambda observation, env: np.zeros((env.num_envs, *(env.action_space.shape or ())), np.float32)


def expert(seed: int) -> Act:
    """The task's scripted expert, which sees the true state."""
    return lambda observation, env: np.stack(env.env_method("expert_action"))


def at_random(seed: int) -> Act:
    """The policy of uniformly random actions: those of an episode are of its own seed."""
    rngs: dict[int, np.random.Generator] = {}

    def act(observation: Any, env: VecEnv) -> np.ndarray:
        draws = [rngs.setdefault(i, np.random.default_rng([seed + i, 2])) for i in range(env.num_envs)]
        return np.stack([rng.uniform(-1, 1, env.action_space.shape).astype(np.float32) for rng in draws])

    return act


def _side_by_side(env: VecEnv, act: Act, seed: int) -> list[Outcome]:
    """Play one episode in each world."""
    env.seed(seed)
    observation = env.reset()
    total = np.zeros(env.num_envs)
    ended: list[Outcome | None] = [None] * env.num_envs
    while None in ended:
        observation, reward, done, infos = env.step(act(observation, env))
        total += [0.0 if end else value for end, value in zip(ended, reward, strict=True)]
        for i in np.flatnonzero(done):
            if ended[i] is None:
                ended[i] = Outcome(bool(infos[i]["is_success"]), float(infos[i]["distance_m"]), float(total[i]))
    return [outcome for outcome in ended if outcome is not None]
