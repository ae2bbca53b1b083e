"""Objects to push and to grasp: distinct shapes, each at most ``size_m`` across and no wider than a gripper one way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from envs.meshes import GREY, Color, Mesh, box, circle, cylinder, painted, prism
from sslctrl.errors import check_among


def _half_cylinder(size_m: float) -> Mesh:
    angles = np.linspace(0, np.pi, 13)
    arc = np.stack([np.cos(angles), np.sin(angles)], 1) * size_m / 2
    return prism(arc - (0, size_m / 4), 0.6 * size_m)


def _star(size_m: float) -> Mesh:
    corners = circle(10) * np.where(np.arange(10) % 2, 0.26, 0.5)[:, None]
    return prism(corners * size_m, 0.5 * size_m)


def _outline(points: list[tuple[float, float]], size_m: float, kernel: tuple[float, float] = (0, 0)) -> Mesh:
    """A prism of an outline given in units of ``size_m``."""
    return prism(np.array(points) * size_m, 0.5 * size_m, GREY, (kernel[0] * size_m, kernel[1] * size_m))


SHAPES: dict[str, Callable[[float], Mesh]] = {
    "cube": lambda s: box(0.7 * s, 0.7 * s, 0.7 * s),
    "bar": lambda s: box(s, 0.36 * s, 0.36 * s),
    "slab": lambda s: box(0.8 * s, 0.8 * s, 0.35 * s),
    "cylinder": lambda s: cylinder(0.35 * s, 0.7 * s),
    "disc": lambda s: cylinder(0.5 * s, 0.35 * s),
    "hexagon": lambda s: prism(circle(6) * s / 2, 0.5 * s),
    "triangle": lambda s: prism(circle(3) * s / 2, 0.5 * s),
    "half_cylinder": _half_cylinder,
    "star": _star,
    "tee": lambda s: _outline(
        [(-0.17, -0.5), (0.17, -0.5), (0.17, 0.1), (0.5, 0.1), (0.5, 0.43), (-0.5, 0.43), (-0.5, 0.1), (-0.17, 0.1)],
        s,
        (0.0, 0.25),
    ),
    "cross": lambda s: _outline(
        [
            *((-0.16, -0.5), (0.16, -0.5), (0.16, -0.16), (0.5, -0.16), (0.5, 0.16), (0.16, 0.16)),
            *((0.16, 0.5), (-0.16, 0.5), (-0.16, 0.16), (-0.5, 0.16), (-0.5, -0.16), (-0.16, -0.16)),
        ],
        s,
    ),
}


def shape(name: str, size_m: float = 0.06, color: Color = GREY) -> Mesh:
    """The object ``name`` of :data:`SHAPES`, its origin inside it, standing on z = -height/2. InputError if unknown."""
    check_among(SHAPES, shape=name)
    return painted(SHAPES[name](size_m), color)
