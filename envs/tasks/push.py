"""Push a round puck across a walled tray to a goal position."""

from __future__ import annotations

import numpy as np

from envs.attributes import Attributes, pushing, touching
from envs.meshes import cylinder
from envs.palette import sample_color
from envs.panda import PUSHER_RADIUS_M, Panda
from envs.planar import STEP_M, move_in_plane, planar_state, sample_goal, sample_hand, sample_start, tray_box_m
from envs.pushing import push_towards
from envs.sim import Physical, Shape, Sim
from envs.tasks.base import Task
from envs.tray import TIP_HEIGHT_M, add_tray

PUCK_RADIUS_M = 0.04
PUCK_HEIGHT_M = 0.03
CONTACT_M = PUCK_RADIUS_M + PUSHER_RADIUS_M
PUCK = Physical(mass_kg=0.1, friction=2.0, spinning_friction=0.002)


class Push(Task):
    """Two actions move the pusher in the plane; the goal is the puck's position, reached within 5 cm."""

    action_names = ("x", "y")
    state_names = ("hand_x", "hand_y", "hand_vx", "hand_vy", "puck_x", "puck_y", "puck_vx", "puck_vy")
    proprio_size = 4
    goal_size = 2

    def build(self, sim: Sim) -> None:
        """Add the tray and the puck."""
        add_tray(sim, closed=True)
        shape = Shape("cylinder", (PUCK_RADIUS_M, PUCK_HEIGHT_M))
        sim.add("puck", [shape], PUCK, cylinder(PUCK_RADIUS_M, PUCK_HEIGHT_M))

    def reset(self, sim: Sim, robot: Panda, rng: np.random.Generator) -> dict[str, tuple[float, float, float]]:
        """Puck and pusher anywhere, not touching."""
        puck, hand = sample_start(rng, CONTACT_M)
        robot.reset((*hand, TIP_HEIGHT_M))
        sim.place("puck", (*puck, PUCK_HEIGHT_M / 2))
        return {"puck": sample_color(rng, self.variety)}

    def sample_goal(self, rng: np.random.Generator, state: np.ndarray) -> np.ndarray:
        """A position of the puck anywhere within reach, at least 8 cm away: doing nothing never succeeds."""
        return sample_goal(rng, state[4:6])

    @property
    def goal_box_m(self) -> tuple[np.ndarray, np.ndarray]:
        """The tray."""
        return tray_box_m()

    def show_goal(self, sim: Sim, robot: Panda, rng: np.random.Generator, goal: np.ndarray) -> None:
        """The puck at the goal, the pusher anywhere that does not touch it."""
        robot.reset((*sample_hand(rng, goal, CONTACT_M), TIP_HEIGHT_M))
        sim.place("puck", (*goal, PUCK_HEIGHT_M / 2))

    def act(self, robot: Panda, action: np.ndarray) -> None:
        """Move the tip by ``action`` (2,) times 4 cm at constant height."""
        move_in_plane(robot, action)

    def state(self, sim: Sim, robot: Panda) -> np.ndarray:
        """Hand and puck: positions and velocities in the plane."""
        return planar_state(sim, robot, "puck")

    def achieved_goal(self, state: np.ndarray) -> np.ndarray:
        """The puck's position."""
        return state[..., 4:6]

    def attributes(self, states: np.ndarray) -> Attributes:
        """Contact and the puck's quarter of the tray; whether it moves, and where the hand is heading."""
        static, motion = pushing(states)
        return Attributes({"contact": touching(states, CONTACT_M), **static}, motion)

    def expert(self, state: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
        """Walk round the puck to the side away from the goal, then push through its centre."""
        return push_towards(state[0:2], state[4:6], desired_goal, CONTACT_M, STEP_M)
