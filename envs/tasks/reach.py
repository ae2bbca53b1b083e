"""Move the pusher's tip to a point in space."""

from __future__ import annotations

import numpy as np

from envs.attributes import Attributes, heading, quadrant
from envs.panda import Panda
from envs.sim import Sim
from envs.tasks.base import Task
from envs.tray import CENTER_M, add_tray

STEP_M = 0.035
LOW_M = np.array([CENTER_M[0] - 0.12, CENTER_M[1] - 0.12, 0.01])
HIGH_M = np.array([CENTER_M[0] + 0.12, CENTER_M[1] + 0.12, 0.20])


class Reach(Task):
    """Three actions move the tip; the goal is its position above the tray, reached within 2 cm."""

    action_names = ("x", "y", "z")
    state_names = ("hand_x", "hand_y", "hand_z", "hand_vx", "hand_vy", "hand_vz")
    proprio_size = 6
    goal_size = 3
    success_m = 0.02
    middle_m = 0.08  # all of the box is in view

    @property
    def goal_box_m(self) -> tuple[np.ndarray, np.ndarray]:
        """The box that the tip is moved in, and what counts as reached beside it."""
        return LOW_M - self.success_m, HIGH_M + self.success_m

    def build(self, sim: Sim) -> None:
        """Add the tray."""
        add_tray(sim)

    def reset(self, sim: Sim, robot: Panda, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
        """The tip anywhere in the box."""
        robot.reset(rng.uniform(LOW_M, HIGH_M))
        return {}

    def sample_goal(self, rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
        """A point anywhere in the box."""
        return rng.uniform(LOW_M, HIGH_M)

    def show_goal(self, sim: Sim, robot: Panda, rng: np.random.Generator, goal: np.ndarray) -> None:
        """The tip at the goal."""
        robot.reset(goal)

    def act(self, robot: Panda, action: np.ndarray) -> None:
        """Move the tip by ``action`` (3,) times 3.5 cm."""
        robot.move(np.clip(robot.tip()[0] + STEP_M * action, LOW_M, HIGH_M))

    def state(self, sim: Sim, robot: Panda) -> np.ndarray:
        """The tip's position and velocity."""
        return np.concatenate(robot.tip())

    def achieved_goal(self, state: np.ndarray) -> np.ndarray:
        """The tip's position."""
        return state[..., :3]

    def attributes(self, states: np.ndarray) -> Attributes:
        """The quarter of the tray that the tip is over, and whether it is in the upper half; where it is heading."""
        high = states[:, 2] > (LOW_M[2] + HIGH_M[2]) / 2
        return Attributes({"side": quadrant(states), "high": high.astype(int)}, {"heading": heading(states[:, 3:6])})

    def expert(self, state: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
        """Straight towards the goal."""
        return np.clip((desired_goal - state[:3]) / STEP_M, -1, 1)
