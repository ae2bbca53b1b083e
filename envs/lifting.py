"""The scripted grasp: above the object, down, close, up."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PRESHAPE = 0.8  # opening while approaching: 1.4 cm wider than any object, narrow enough to leave its neighbours alone
CLOSED = 0.7  # below this opening an object of at most 5 cm may be held
EMPTY = 0.15  # below this there is nothing between the fingers
STALLED = 0.3  # change of the opening per second, below which the fingers have met the object
CLEAR_Z_M = 0.08  # the fingers pass over everything that lies in the bin
NEAR_M, NEAR_RAD = 0.008, 0.12  # alignment that is good enough to go down
HELD_M = 0.018  # an object this close to the tip is between the fingers


class Hand(NamedTuple):
    """The gripper's tip (3,) m, its yaw, its opening in [0, 1] and the opening's change per second."""

    tip_m: np.ndarray
    yaw_rad: float
    opening: float
    opening_rate: float


def grip_and_lift(
    hand: Hand, thing_m: np.ndarray, thing_rad: float, goal_m: np.ndarray, low_z_m: float
) -> tuple[np.ndarray, float, float]:
    """Where to go (3,) m, by what angle to turn, and the opening in [0, 1] to command; without memory.

    ``thing_m`` (3,) and ``thing_rad`` are the object's position and the angle along which the fingers' faces must lie,
    modulo half a turn; ``low_z_m`` is the lowest height of the tip.
    """
    turn = (thing_rad - hand.yaw_rad + np.pi / 2) % np.pi - np.pi / 2
    grip = np.array([*thing_m[:2], max(thing_m[2], low_z_m)])
    away = grip - hand.tip_m
    if np.linalg.norm(away) < HELD_M and hand.opening > EMPTY:
        stalled = hand.opening < CLOSED and abs(hand.opening_rate) < STALLED
        return (hand.tip_m + goal_m - thing_m if stalled else hand.tip_m + away * (0, 0, 1)), 0.0, 0.0
    ready = np.linalg.norm(away[:2]) < NEAR_M and abs(turn) < NEAR_RAD and hand.opening > CLOSED
    if ready:
        return grip, turn, PRESHAPE
    above = np.array([*thing_m[:2], CLEAR_Z_M + max(thing_m[2] - 0.02, 0.0)])
    if hand.tip_m[2] < above[2] - 0.02:
        above[:2] = hand.tip_m[:2]
    return above, turn, PRESHAPE
