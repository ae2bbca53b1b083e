"""Coloured triangle meshes: primitives, and joining, moving and painting them.

Every primitive is centred at the origin, is closed (except ``plane``) and winds its faces counter-clockwise seen from
outside. Lengths are in metres, colours (r, g, b) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Color = tuple[float, float, float]

GREY: Color = (0.6, 0.6, 0.6)
WOOD: Color = (0.62, 0.47, 0.33)
PALE: Color = (0.86, 0.83, 0.76)
FLOOR_M = 0.001  # a tray's floor lies this far above its frame, so that it wins over a table at the same height


class Mesh(NamedTuple):
    """Vertices float32 (n, 3) in m, faces int32 (m, 3) of their indices, colors float32 (m, 3) in [0, 1] of faces."""

    vertices: np.ndarray
    faces: np.ndarray
    colors: np.ndarray


class Part(NamedTuple):
    """One rigid mesh, in the URDF frame of link ``link`` (-1 is the base) of the body named ``body``."""

    body: str
    link: int
    mesh: Mesh


def mesh(vertices: Sequence | np.ndarray, faces: Sequence | np.ndarray, color: Color = GREY) -> Mesh:
    """A mesh of one colour from anything shaped (n, 3) and (m, 3)."""
    faces = np.asarray(faces, np.int32).reshape(-1, 3)
    colors = np.tile(np.asarray(color, np.float32), (len(faces), 1))
    return Mesh(np.asarray(vertices, np.float32).reshape(-1, 3), faces, colors)


# -- putting together --------------------------------------------------------------------------------------------------
def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh with all faces of several, in order."""
    starts = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]).astype(np.int32),
        np.concatenate([m.colors for m in meshes]),
    )


def moved(shape: Mesh, translation_m: Sequence[float] | np.ndarray, rotation: np.ndarray | None = None) -> Mesh:
    """The mesh turned by ``rotation`` (3, 3), then shifted by ``translation_m`` (3,)."""
    vertices = shape.vertices.astype(np.float64)
    if rotation is not None:
        vertices = vertices @ np.asarray(rotation, np.float64).T
    return shape._replace(vertices=(vertices + np.asarray(translation_m, np.float64)).astype(np.float32))


def painted(shape: Mesh, color: Color) -> Mesh:
    """The same mesh in one colour."""
    return shape._replace(colors=np.tile(np.asarray(color, np.float32), (len(shape.faces), 1)))


# -- primitives --------------------------------------------------------------------------------------------------------
def box(x_m: float, y_m: float, z_m: float, color: Color = GREY) -> Mesh:
    """A box of full edge lengths ``x_m, y_m, z_m``: 12 faces."""
    outline = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (x_m / 2, y_m / 2)
    return prism(outline, z_m, color)


def prism(
    outline_m: np.ndarray | Sequence, height_m: float, color: Color = GREY, kernel_m: Sequence[float] = (0, 0)
) -> Mesh:
    """An outline (n, 2), counter-clockwise, extruded along z.

    Convex outlines are capped from a corner; others from ``kernel_m`` (2,), a point that sees the whole outline.
    """
    outline = np.asarray(outline_m, np.float64)
    n = len(outline)
    ring = np.arange(n)
    after = np.roll(ring, -1)
    low, high = np.insert(outline, 2, -height_m / 2, axis=1), np.insert(outline, 2, height_m / 2, axis=1)
    sides = np.concatenate([np.stack([ring, after, after + n], 1), np.stack([ring, after + n, ring + n], 1)])
    if _is_convex(outline):
        cap = np.stack([np.zeros(n - 2, int), ring[1:-1], ring[2:]], 1)
        return mesh(np.concatenate([low, high]), np.concatenate([sides, cap[:, ::-1], cap + n]), color)
    tips = [(*kernel_m, -height_m / 2), (*kernel_m, height_m / 2)]
    bottom = np.stack([np.full(n, 2 * n), after, ring], 1)
    top = np.stack([np.full(n, 2 * n + 1), ring + n, after + n], 1)
    return mesh(np.concatenate([low, high, tips]), np.concatenate([sides, bottom, top]), color)


def cylinder(radius_m: float, height_m: float, color: Color = GREY, sides: int = 24) -> Mesh:
    """A cylinder along z: 4 ``sides`` - 4 faces."""
    return prism(radius_m * circle(sides), height_m, color)


def sphere(radius_m: float, color: Color = GREY, sides: int = 20) -> Mesh:
    """A sphere of ``sides`` meridians and half as many bands."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 1)
    return lathe(radius_m * np.stack([np.cos(angles), np.sin(angles)], 1), color, sides)


def lathe(profile_m: np.ndarray | Sequence, color: Color = GREY, sides: int = 24) -> Mesh:
    """A profile (n, 2) of (radius, z), from the bottom up, turned about z. Its two ends lie on the axis."""
    inner = np.asarray(profile_m, np.float64)[1:-1]
    around = circle(sides)
    rings = [np.column_stack([r * around, np.full(sides, z)]) for r, z in inner]
    n = len(rings) * sides
    ring = np.arange(sides)
    after = np.roll(ring, -1)
    faces = [np.stack([np.full(sides, n), after, ring], 1)]
    for start in range(0, n - sides, sides):
        a, b = ring + start, after + start
        faces += [np.stack([a, b, b + sides], 1), np.stack([a, b + sides, a + sides], 1)]
    faces.append(np.stack([np.full(sides, n + 1), ring + n - sides, after + n - sides], 1))
    ends = [(0, 0, float(profile_m[0][1])), (0, 0, float(profile_m[-1][1]))]
    return mesh(np.concatenate([*rings, ends]), np.concatenate(faces), color)


def plane(x_m: float, y_m: float, color: Color = GREY, other: Color | None = None, cells: int = 1) -> Mesh:
    """A rectangle at z = 0 that faces up, of ``cells`` x ``cells`` quads; with ``other`` a checkerboard."""
    xs, ys = np.linspace(-x_m / 2, x_m / 2, cells + 1), np.linspace(-y_m / 2, y_m / 2, cells + 1)
    grid = np.stack(np.meshgrid(xs, ys, [0.0], indexing="ij"), -1).reshape(-1, 3)
    i, j = (a.reshape(-1) for a in np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij"))
    a, b = i * (cells + 1) + j, (i + 1) * (cells + 1) + j
    faces = np.stack([np.stack([a, b, b + 1], 1), np.stack([a, b + 1, a + 1], 1)], 1).reshape(-1, 3)
    shape = mesh(grid, faces, color)
    if other is not None:
        shape.colors[np.repeat((i + j) % 2 == 1, 2)] = other
    return shape


def tray(x_m: float, y_m: float, wall_m: float, thick_m: float, color: Color = WOOD, floor: Color = PALE) -> Mesh:
    """An open tray, ``x_m`` by ``y_m`` inside, walls ``wall_m`` high and ``thick_m`` thick; z = 0 is its underside."""
    ends = box(thick_m, y_m + 2 * thick_m, wall_m, color)
    sides = box(x_m, thick_m, wall_m, color)
    dx, dy, z = (x_m + thick_m) / 2, (y_m + thick_m) / 2, wall_m / 2
    walls = [moved(ends, (s * dx, 0, z)) for s in (-1, 1)] + [moved(sides, (0, s * dy, z)) for s in (-1, 1)]
    return merge([moved(plane(x_m, y_m, floor), (0, 0, FLOOR_M)), *walls])


def circle(sides: int) -> np.ndarray:
    """Corners (sides, 2) of a regular polygon in the unit circle, counter-clockwise."""
    angles = np.arange(sides) * (2 * np.pi / sides)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def _is_convex(outline: np.ndarray) -> bool:
    edges = np.roll(outline, -1, axis=0) - outline
    turns = edges[:, 0] * np.roll(edges[:, 1], -1) - edges[:, 1] * np.roll(edges[:, 0], -1)
    return bool((turns >= -1e-12).all())
