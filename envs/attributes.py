"""Discrete facts of true states, for metrics: what a picture shows, and what only motion shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.tray import CENTER_M

HAND_STILL_M_S = 0.03
OBJECT_STILL_M_S = 0.02
TOUCH_M = 0.01  # this close to contact counts as contact: half a pixel at 64 px


class Attributes(NamedTuple):
    """Labels, int (N,) each, by name."""

    static: dict[str, np.ndarray]
    """What one frame shows."""
    motion: dict[str, np.ndarray]
    """What takes more than one."""


def quadrant(positions_m: np.ndarray) -> np.ndarray:
    """Return which quarter of the tray positions (N, 2 or more) lie in: 0 to 3."""
    return 2 * (positions_m[:, 0] > CENTER_M[0]) + (positions_m[:, 1] > CENTER_M[1])


def heading(velocity_m_s: np.ndarray) -> np.ndarray:
    """Return the direction of motion in the plane, (N, 2 or more): 1 to 4, a quarter of a turn each; 0 where still."""
    angle = np.arctan2(velocity_m_s[:, 1], velocity_m_s[:, 0])
    sector = 1 + np.floor((angle + np.pi / 4) / (np.pi / 2)).astype(int) % 4
    return np.where(np.linalg.norm(velocity_m_s, axis=1) > HAND_STILL_M_S, sector, 0)


def touching(states: np.ndarray, contact_m: float) -> np.ndarray:
    """Return whether hand and object touch, int (N,), in states (N, 8): discs, their centres then `contact_m` apart."""
    gap = np.linalg.norm(states[:, 0:2] - states[:, 4:6], axis=1) - contact_m
    return (gap < TOUCH_M).astype(int)


def pushing(states: np.ndarray) -> Attributes:
    """Return the attributes of states (N, 8), hand and object in the plane, that do not take the object's shape."""
    moving = np.linalg.norm(states[:, 6:8], axis=1) > OBJECT_STILL_M_S
    return Attributes(
        {"side": quadrant(states[:, 4:6])},
        {"moving": moving.astype(int), "heading": heading(states[:, 2:4])},
    )
