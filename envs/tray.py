"""The walled tray in which objects are pushed: it keeps the puck in view and in reach."""

from __future__ import annotations

import numpy as np

from envs.meshes import plane, tray
from envs.panda import PUSHER_RADIUS_M
from envs.sim import Physical, Shape, Sim

CENTER_M = (0.45, 0.0)
HALF_M = 0.16  # inside
WALL_M = 0.02  # height
THICK_M = 0.01
CLOSED_WALL_M, CLOSED_THICK_M = 0.08, 0.05
TIP_HEIGHT_M = 0.008  # of the pusher's lower end above the floor
TIP_HALF_M = HALF_M - PUSHER_RADIUS_M - 0.002  # the pusher's axis stays within this of the centre


def add_tray(sim: Sim, table: Shape = Shape("plane"), closed: bool = False) -> None:  # noqa: B008 - an immutable tuple
    """Add the table and the tray's four walls (fixed).

    ``closed``: for contacts the walls are far higher and thicker than they are drawn. Over those that are seen, a puck
    that is squeezed against them jumps: in one of six episodes of 300 steps of play.
    """
    sim.add("table", [table], Physical(friction=1.0), plane(1.6, 1.6, color=(0.55, 0.57, 0.60)))
    x, y, half = *CENTER_M, HALF_M
    thick, height = (CLOSED_THICK_M, CLOSED_WALL_M) if closed else (THICK_M, WALL_M)
    walls = [
        Shape("box", (thick / 2, half + thick, height / 2), (side * (half + thick / 2), 0.0, height / 2))
        for side in (-1, 1)
    ] + [Shape("box", (half, thick / 2, height / 2), (0.0, side * (half + thick / 2), height / 2)) for side in (-1, 1)]
    sim.add("tray", walls, Physical(friction=0.05), tray(2 * half, 2 * half, WALL_M, THICK_M))
    sim.place("tray", (x, y, 0.0))


def clip_tip(xy_m: np.ndarray) -> np.ndarray:
    """The nearest position of the pusher's axis, (2,), inside the walls."""
    return np.clip(xy_m, np.subtract(CENTER_M, TIP_HALF_M), np.add(CENTER_M, TIP_HALF_M))


def sample_xy(rng: np.random.Generator, half_m: float) -> np.ndarray:
    """A position (2,) within ``half_m`` of the tray's centre along each axis."""
    return np.add(CENTER_M, rng.uniform(-half_m, half_m, 2))
