"""What drives the arm while video is recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from envs.env import RobotEnv

INERTIA = 0.7  # of the random motion: it wanders through the workspace instead of trembling on the spot
NOISE = 0.5  # of the noisy expert, in units of a full action

Behavior = Callable[[RobotEnv, np.random.Generator, np.ndarray], np.ndarray]


def random(env: RobotEnv, rng: np.random.Generator, drift: np.ndarray) -> np.ndarray:
    """Random motion with inertia; ``drift`` (A,) is the walk it follows and is moved on in place."""
    drift[:] = INERTIA * drift + INERTIA * rng.standard_normal(len(drift))
    return np.clip(drift, -1, 1)


def expert(env: RobotEnv, rng: np.random.Generator, drift: np.ndarray) -> np.ndarray:
    """The scripted expert."""
    return env.expert_action()


def noisy(env: RobotEnv, rng: np.random.Generator, drift: np.ndarray) -> np.ndarray:
    """The scripted expert disturbed by random motion, and given a new goal whenever it has reached one."""
    if env.task.success(env.task.achieved_goal(env.state), env.goal):
        env.set_goal(env.task.sample_goal(rng, env.state))
    return np.clip(env.expert_action() + NOISE * random(env, rng, drift), -1, 1)


BEHAVIORS: dict[str, Behavior] = {"random": random, "expert": expert, "noisy": noisy}
