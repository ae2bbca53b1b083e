"""All meshes of a scene as flat arrays, with smooth normals: what the rasteriser reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from envs.meshes import Mesh, Part

CREASE_RAD = 0.65  # edges sharper than this stay sharp
WELD_M = 1e-6


class Geometry(NamedTuple):
    """A scene of P parts, n vertices, m faces.

    positions, normals float32 (3, n); faces uint32 (m, 3), unsigned because numba then skips its test for negative
    indices; colors float32 (m, 3) in [0, 1]; vertex_start, face_start int64 (P + 1,); spheres float64 (P, 4): centre
    and radius that hold a part, in its own frame.
    """

    positions: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    vertex_start: np.ndarray
    face_start: np.ndarray
    spheres: np.ndarray


def prepare(parts: Sequence[Part]) -> Geometry:
    """Split vertices at creases, compute normals and bounding spheres, and join everything."""
    split = [_smooth(part.mesh) for part in parts]
    vertex_start = np.cumsum([0] + [len(positions) for positions, _, _ in split])
    faces = [faces + start for (_, _, faces), start in zip(split, vertex_start, strict=False)]
    face_start = np.cumsum([0] + [len(faces) for _, _, faces in split])
    return Geometry(
        np.ascontiguousarray(np.concatenate([positions for positions, _, _ in split]).T, np.float32),
        np.ascontiguousarray(np.concatenate([normals for _, normals, _ in split]).T, np.float32),
        np.concatenate(faces).astype(np.uint32),
        np.concatenate([part.mesh.colors for part in parts]).astype(np.float32),
        vertex_start.astype(np.int64),
        face_start.astype(np.int64),
        np.array([_sphere(positions) for positions, _, _ in split]),
    )


def _smooth(mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, 3), unit normals (n, 3) and faces (m, 3), vertices split at creases.

    A corner's normal is the mean over the faces around its vertex that are turned less than CREASE_RAD from its own
    face, weighted by area; corners with equal normals share a vertex.
    """
    vertices = mesh.vertices.astype(np.float64)
    a, b, c = vertices[mesh.faces].transpose(1, 0, 2)
    weighted = np.cross(b - a, c - a)
    unit = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-30)
    _, place = np.unique(np.rint(vertices / WELD_M).astype(np.int64), axis=0, return_inverse=True)
    corner_place = place.reshape(-1)[mesh.faces.reshape(-1)]
    one, two = _pairs(corner_place)
    close = (unit[one // 3] * unit[two // 3]).sum(axis=1) > np.cos(CREASE_RAD)
    sums = np.zeros((len(corner_place), 3))
    np.add.at(sums, one[close], weighted[two[close] // 3])
    normals = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-30)
    key = np.column_stack([corner_place, np.rint(normals * 1e4).astype(np.int64)])
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return vertices[mesh.faces.reshape(-1)[first]], normals[first], inverse.reshape(-1, 3)


def _pairs(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All ordered pairs (i, j) of corners with place[i] == place[j], i == j included."""
    order = np.argsort(place, kind="stable")
    count = np.bincount(place)
    start = np.cumsum(count) - count
    many = count[place]
    one = np.repeat(np.arange(len(place)), many)
    within = np.arange(len(one)) - np.repeat(np.cumsum(many) - many, many)
    return one, order[np.repeat(start[place], many) + within]


def _sphere(positions: np.ndarray) -> np.ndarray:
    center = (positions.min(axis=0) + positions.max(axis=0)) / 2
    return np.append(center, np.linalg.norm(positions - center, axis=1).max() + 1e-6)
