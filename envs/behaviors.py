"""What drives the arm while video is recorded."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from envs.env import RobotEnv
from envs.planar import STEP_M

INERTIA = 0.7  # of the random motion: it wanders through the workspace instead of trembling on the spot
NOISE = 0.5  # of the noisy expert, in units of a full action
PLAY_STEPS = 12  # a push in play takes at most this long
PLAY_MOVED_M = 0.06  # or until the object has gone this far
HOME_M = 0.015
HOME_STEPS = 20  # and the way home, on which a wall and the object may hold the hand up


class Behavior(Protocol):
    """Chooses actions for one episode; made anew for each."""

    own_goals: bool
    """Whether it gives the world one goal after another."""

    def __init__(self, env: RobotEnv, rng: np.random.Generator) -> None: ...

    def __call__(self) -> np.ndarray:
        """The next action (A,), in [-1, 1]."""
        ...


class Random:
    """Random motion with inertia."""

    own_goals = False

    def __init__(self, env: RobotEnv, rng: np.random.Generator) -> None:
        self.rng = rng
        self.drift = rng.standard_normal(len(env.task.action_names))

    def __call__(self) -> np.ndarray:
        """The next action (A,)."""
        self.drift = INERTIA * (self.drift + self.rng.standard_normal(len(self.drift)))
        return np.clip(self.drift, -1, 1)


class Expert:
    """The scripted expert."""

    own_goals = False

    def __init__(self, env: RobotEnv, rng: np.random.Generator) -> None:
        self.env = env

    def __call__(self) -> np.ndarray:
        """The next action (A,)."""
        return self.env.expert_action()


class Noisy:
    """The scripted expert disturbed by random motion, and given a new goal whenever it has reached one."""

    own_goals = True

    def __init__(self, env: RobotEnv, rng: np.random.Generator) -> None:
        self.env, self.rng = env, rng
        self.noise = Random(env, rng)

    def __call__(self) -> np.ndarray:
        """The next action (A,)."""
        env = self.env
        if env.task.success(env.task.achieved_goal(env.state), env.goal):
            env.set_goal(env.task.sample_goal(self.rng, env.state))
        return np.clip(env.expert_action() + NOISE * self.noise(), -1, 1)


class Play:
    """Pushes towards ever new goals, and goes home to where the hand began after each.

    Because the hand comes back while the objects have moved, telling moments of one episode apart takes the objects:
    from motion that never returns, a time-contrastive embedding learns the hand alone.
    """

    own_goals = True

    def __init__(self, env: RobotEnv, rng: np.random.Generator) -> None:
        self.env, self.rng = env, rng
        self.noise = Random(env, rng)
        self.axes = sum(name in ("x", "y", "z") for name in env.task.action_names)
        self.home = env.state[: self.axes]
        self._begin_push()

    def __call__(self) -> np.ndarray:
        """The next action (A,)."""
        if self.homeward:
            to_home = self.home - self.env.state[: self.axes]
            action = np.zeros(len(self.noise.drift))
            action[: self.axes] = to_home / STEP_M
            self.left -= 1
            if self.left <= 0 or np.linalg.norm(to_home) < HOME_M:
                self._begin_push()
        else:
            action = self.env.expert_action() + NOISE * self.noise()
            self.left -= 1
            moved = np.linalg.norm(self.env.task.achieved_goal(self.env.state) - self.start)
            if self.left <= 0 or moved > PLAY_MOVED_M:
                self.homeward, self.left = True, HOME_STEPS
        return np.clip(action, -1, 1)

    def _begin_push(self) -> None:
        self.homeward = False
        self.left = PLAY_STEPS
        self.start = self.env.task.achieved_goal(self.env.state)
        self.env.set_goal(self.env.task.sample_goal(self.rng, self.env.state))


BEHAVIORS: dict[str, type[Behavior]] = {"random": Random, "expert": Expert, "noisy": Noisy, "play": Play}
