"""What a task is: the scene around the arm, how it starts, and when it is solved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import numpy as np

from envs.attributes import Attributes
from envs.panda import REACH_M, Panda
from envs.sim import Sim

Variety = Literal["fixed", "train", "heldout"]


class Task(ABC):
    """A goal-reaching task of one arm.

    Arrays: state (S,), achieved and desired goals (G,) or (N, G); action (A,) in [-1, 1]. Positions in metres.
    Actions begin with x, y, z, as many of them as there are, and the state with the hand's own: hand_x, hand_y, hand_z.
    ``variety`` is where colours and shapes come from: one fixed choice, the training set, or the held-out set.
    """

    tool: ClassVar[str] = "pusher"
    action_names: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    proprio_size: ClassVar[int]  # the state begins with this many numbers of the arm itself
    goal_size: ClassVar[int]
    success_m: ClassVar[float] = 0.05
    middle_m: ClassVar[float] = 0.0  # height that cameras stand around and look at

    def __init__(self, variety: Variety = "fixed") -> None:
        self.variety = variety

    @abstractmethod
    def build(self, sim: Sim) -> None:
        """Load every body that an episode may need; called once."""

    @abstractmethod
    def reset(self, sim: Sim, robot: Panda, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
        """Place everything at rest and return the colours (r, g, b in [0, 1]) of the bodies that have their own."""

    @abstractmethod
    def sample_goal(self, rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
        """A desired goal (G,) for an episode that starts in ``state`` (S,)."""

    @abstractmethod
    def show_goal(self, sim: Sim, robot: Panda, rng: np.random.Generator, goal: np.ndarray) -> None:
        """Place this episode's scene as it is when the goal (G,) is reached; the rest of it is drawn from ``rng``."""

    @abstractmethod
    def act(self, robot: Panda, action: np.ndarray) -> None:
        """Turn an action (A,) in [-1, 1] into motor targets for one control step."""

    @abstractmethod
    def state(self, sim: Sim, robot: Panda) -> np.ndarray:
        """The true state (S,): for oracles, probes and evaluation only."""

    @abstractmethod
    def achieved_goal(self, state: np.ndarray) -> np.ndarray:
        """The part of a state (..., S) that a goal speaks about, (..., G)."""

    @abstractmethod
    def expert(self, state: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
        """A scripted solution without memory: the action (A,) for a state and a goal."""

    @abstractmethod
    def attributes(self, states: np.ndarray) -> Attributes:
        """Discrete facts of states (N, S), for metrics."""

    @property
    def goal_box_m(self) -> tuple[np.ndarray, np.ndarray]:
        """Between which corners (G,) goals must lie: by default, of one place, as far as the arm reaches before it, on
        the table or above.
        """
        return np.array((0, -REACH_M, 0))[: self.goal_size], np.full(self.goal_size, REACH_M)

    def distance(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Distance in metres between goals, (N, G) x (N, G) -> (N,) or (G,) x (G,) -> ()."""
        return np.linalg.norm(np.asarray(achieved) - np.asarray(desired), axis=-1)

    def success(self, achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
        """Whether goals are reached, of the same leading shape as :meth:`distance`."""
        return self.distance(achieved, desired) < self.success_m
