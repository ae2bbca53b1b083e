"""Pushing in the plane, whatever is pushed: starts, goals, actions and state."""

from __future__ import annotations

import numpy as np

from envs.panda import Panda
from envs.sim import Sim
from envs.tray import CENTER_M, HALF_M, TIP_HALF_M, TIP_HEIGHT_M, clip_tip, sample_xy

STEP_M = 0.04  # commanded per control step at full action; about 3 cm are travelled
OBJECT_HALF_M = 0.07  # objects start, and goals lie, within this of the tray's centre
GOAL_MIN_M = 0.08  # from the start


def sample_start(rng: np.random.Generator, contact_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Positions (2,) of the object and of the pusher, 1 cm or more clear of contact, were both circles whose centres
    are then ``contact_m`` apart.
    """
    puck = sample_xy(rng, OBJECT_HALF_M)
    return puck, sample_hand(rng, puck, contact_m)


def sample_hand(rng: np.random.Generator, object_m: np.ndarray, contact_m: float) -> np.ndarray:
    """A position (2,) of the pusher, 1 cm or more clear of an object at ``object_m`` (2,), as circles."""
    while True:
        hand = sample_xy(rng, TIP_HALF_M)
        if np.linalg.norm(hand - object_m) > contact_m + 0.01:
            return hand


def sample_goal(rng: np.random.Generator, puck_m: np.ndarray) -> np.ndarray:
    """A position (2,) for the puck, at least 8 cm from where it is."""
    while True:
        goal = sample_xy(rng, OBJECT_HALF_M)
        if np.linalg.norm(goal - puck_m) > GOAL_MIN_M:
            return goal


def tray_box_m() -> tuple[np.ndarray, np.ndarray]:
    """The tray's corners (2,) between its walls."""
    return np.subtract(CENTER_M, HALF_M), np.add(CENTER_M, HALF_M)


def move_in_plane(robot: Panda, action: np.ndarray) -> None:
    """Send the tip ``action`` (2,) x 4 cm further, inside the walls, at constant height."""
    target = clip_tip(robot.tip()[0][:2] + STEP_M * action)
    robot.move((*target, TIP_HEIGHT_M))


def planar_state(sim: Sim, robot: Panda, body: str) -> np.ndarray:
    """(hand x, y, vx, vy, body x, y, vx, vy) in m and m/s."""
    tip, tip_velocity = robot.tip()
    position, velocity = sim.pose(body)[0], sim.velocity(body)[0]
    return np.concatenate([tip[:2], tip_velocity[:2], position[:2], velocity[:2]])
