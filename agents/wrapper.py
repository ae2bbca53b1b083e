"""The learner's side of the worlds: frames become vectors, and the worlds' reward becomes the learned one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from agents.goals import Goals
from agents.judge import Judge
from agents.recorder import Recorder
from agents.senses import Percept, Raw, Senses


class LearnedVecEnv(VecEnvWrapper):
    """Encodes all worlds' frames, those of episodes that just ended too, in one batch a step, and gives their reward.

    Observations: float32 (O,); for a ``goal_policy`` a dict of ``observation`` (O,), ``achieved_goal`` and
    ``desired_goal`` (D,). The world's own reward stays in ``info["env_reward"]``, and ``info["terminal_observation"]``
    is in the policy's space. ``env_method("compute_reward", achieved, desired, infos)`` is answered here, in batch: the
    worlds know neither encoder nor reward. Worlds that record are told what their goals look like.
    """

    def __init__(self, venv: VecEnv, senses: Senses, judge: Judge, goals: Goals, goal_policy: bool = False) -> None:
        """Wrap worlds whose observations are as `envs.pixels` says."""
        self.senses, self.judge, self.goals, self.goal_policy = senses, judge, goals, goal_policy
        self._begun = np.empty((0, 0), np.float32)
        self._before = Percept(self._begun, self._begun)
        space = policy_space(venv.observation_space, senses, goal_policy)
        super().__init__(venv, observation_space=space)
        self._recorded = all(venv.env_is_wrapped(Recorder))

    def reset(self) -> VecEnvObs:
        """Start all episodes."""
        raw = self.venv.reset()
        assert isinstance(raw, dict)
        now = self._before = self.senses(raw)
        self._begun = self._begin(raw, np.arange(self.num_envs))
        observation = self.senses.observation(raw, now.seen, now.seen)
        return self._policy_observation(observation, now.achieved.copy(), self.goals.now(raw, self._begun).copy())

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step that was begun."""
        raw, env_rewards, dones, infos = self.venv.step_wait()
        assert isinstance(raw, dict)
        ended = np.flatnonzero(dones)
        everything = _with_terminals(raw, [infos[i]["terminal_observation"] for i in ended])
        (seen, achieved), n = self.senses(everything), self.num_envs
        seen_before = np.concatenate([self._before.seen, self._before.seen[ended]])
        begun = np.concatenate([self._begun, self._begun[ended]])
        if len(ended):
            seen_before[ended] = seen[ended]
            begun[ended] = self._begin({name: values[ended] for name, values in raw.items()}, ended)
        goals = self.goals.now(everything, begun)
        observation = self.senses.observation(everything, seen, seen_before)
        reached, towards = achieved[:n].copy(), goals[:n].copy()
        reached[ended], towards[ended] = achieved[n:], goals[n:]  # where the episode ended, not the next start
        rewards = self.judge(self._before.achieved, reached, towards)
        for i, info in enumerate(infos):
            info["env_reward"] = float(env_rewards[i])
        for row, i in enumerate(ended, start=n):
            last = self._policy_observation(observation[[row]], achieved[[row]], goals[[row]])
            infos[i]["terminal_observation"] = {k: v[0] for k, v in last.items()} if isinstance(last, dict) else last[0]
        self._before, self._begun = Percept(seen[:n], achieved[:n]), begun[:n]
        return self._policy_observation(observation[:n], achieved[:n].copy(), goals[:n].copy()), rewards, dones, infos

    def compute_reward(
        self, achieved_goal: np.ndarray, desired_goal: np.ndarray, infos: Any = None, before: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the rewards (N,) of arriving at ``achieved_goal`` (N, D) from ``before`` (N, D), or, where that is not
        given, of being there; ``infos`` is not used.
        """
        return self.judge(achieved_goal if before is None else before, achieved_goal, desired_goal)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call the worlds' methods; ``compute_reward`` is this wrapper's own, the same for every world."""
        if method_name == "compute_reward":
            rewards = self.compute_reward(*method_args, **method_kwargs)
            return [rewards for _ in self._get_indices(indices)]
        return self.venv.env_method(method_name, *method_args, indices=indices, **method_kwargs)

    def _begin(self, raw: Raw, worlds: np.ndarray) -> np.ndarray:
        """Return the goals of episodes that begin in these worlds."""
        begun = self.goals.begin(raw)
        pictures = self.goals.pictures(begun, raw) if self._recorded else None
        if pictures is not None:
            for world, picture in zip(worlds.tolist(), pictures, strict=True):
                self.venv.env_method(Recorder.pursue.__name__, picture, indices=[world])
        return begun

    def _policy_observation(self, observation: np.ndarray, *goals: np.ndarray) -> np.ndarray | dict[str, np.ndarray]:
        return goal_observation(observation, *goals) if self.goal_policy else observation


def goal_observation(observation: np.ndarray, achieved: np.ndarray, goals: np.ndarray) -> dict[str, np.ndarray]:
    """Return a goal policy's observation."""
    return {"observation": observation, "achieved_goal": achieved, "desired_goal": goals}


def policy_space(raw: gym.Space, senses: Senses, goals: bool) -> gym.Space:
    """Return the space of a policy's observations in worlds whose own are ``raw``."""
    assert isinstance(raw, gym.spaces.Dict)
    sizes = {name: space.shape[0] for name, space in raw.spaces.items() if space.shape and name != "pixels"}
    width = sizes["state"] if senses.observer is None else 2 * senses.observer.seen_dim + sizes["proprio"]
    goal = senses.judged.dim if senses.judged else len(senses.columns) or sizes["achieved_goal"]
    observation, reached = _box(width + sizes["time"]), _box(goal)
    if not goals:
        return observation
    return gym.spaces.Dict(observation=observation, achieved_goal=reached, desired_goal=reached)


def _box(size: int) -> gym.spaces.Box:
    return gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)


def _with_terminals(raw: Raw, terminals: list[Mapping[str, np.ndarray]]) -> Raw:
    if not terminals:
        return raw
    return {
        name: np.concatenate([values, np.stack([last[name] for last in terminals])]) for name, values in raw.items()
    }
