"""Cameras in OpenGL's conventions, and the named rig around a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sslctrl.errors import InputError

Vector = tuple[float, float, float]

HELD_OUT = "corner"  # training never sees this one


class Camera(NamedTuple):
    """A pinhole camera at ``eye_m`` that looks at ``target_m``; ``fov_rad`` is the vertical opening angle."""

    name: str
    eye_m: Vector
    target_m: Vector
    up: Vector = (0.0, 0.0, 1.0)
    fov_rad: float = 0.75
    near_m: float = 0.02
    far_m: float = 5.0


# name, eye relative to the workspace's centre, target relative to it, vertical opening angle. The arm stands at -x and
# its hand comes from above, so "front" looks back at it, the sides stand a little forward of it, "top" leans forward.
_RIG = (
    ("front", (0.62, 0.0, 0.52), (0.01, 0.0, 0.02), 0.56),
    ("left", (0.20, 0.56, 0.52), (-0.015, 0.0, 0.015), 0.62),
    ("right", (0.20, -0.56, 0.52), (-0.015, 0.0, 0.015), 0.62),
    ("top", (0.42, 0.0, 0.70), (0.01, 0.0, 0.01), 0.58),
    (HELD_OUT, (0.46, 0.39, 0.53), (-0.005, 0.0, 0.015), 0.63),
)


def rig(center_m: Sequence[float]) -> dict[str, Camera]:
    """The cameras around a 30 x 30 cm workspace centred at ``center_m`` (3,), the arm's base behind it at smaller x.

    At 64 px a puck of 8 cm is at least 8 pixels wide (7 high, foreshortened) anywhere in it, and all of it is in view.
    """
    center = np.asarray(center_m, np.float64)
    if center.shape != (3,) or not np.isfinite(center).all():
        raise InputError(f"centre {center.tolist()} given; the rig needs 3 finite numbers in metres")
    return {
        name: Camera(name, _vector(center + eye), _vector(center + target), fov_rad=fov)
        for name, eye, target, fov in _RIG
    }


def view_matrix(camera: Camera) -> np.ndarray:
    """World to eye, (4, 4): x to the right, y up, looking along -z (as gluLookAt). InputError if it looks nowhere."""
    eye, target, up = (np.asarray(v, np.float64) for v in (camera.eye_m, camera.target_m, camera.up))
    forward = target - eye
    right = np.cross(forward, up)
    if not np.isfinite(right).all() or np.linalg.norm(right) < 1e-9:
        raise InputError(f"{camera} given; eye and target must differ and up must not point along the view; move one")
    forward /= np.linalg.norm(forward)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = right, np.cross(right, forward), -forward
    matrix[:3, 3] = -matrix[:3, :3] @ eye
    return matrix


def projection_matrix(camera: Camera, aspect: float) -> np.ndarray:
    """Eye to clip coordinates, (4, 4), for ``aspect`` = width over height (as gluPerspective)."""
    near, far = camera.near_m, camera.far_m
    if not (0 < near < far < np.inf and 0 < camera.fov_rad < np.pi):
        raise InputError(f"{camera} given; need 0 < near_m < far_m and 0 < fov_rad < pi; change them")
    focal = 1 / np.tan(camera.fov_rad / 2)
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = focal / aspect, focal
    matrix[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def pixel_matrix(camera: Camera, height_px: int, width_px: int) -> np.ndarray:
    """World to (x w, y w, w), (3, 4): x right and y down in pixels from the upper left corner, w the depth in metres.

    Pixel (row, column) has its centre at y = row + 0.5, x = column + 0.5.
    """
    clip = projection_matrix(camera, width_px / height_px) @ view_matrix(camera)
    return np.stack([(clip[3] + clip[0]) * width_px / 2, (clip[3] - clip[1]) * height_px / 2, clip[3]])


def _vector(v: np.ndarray) -> Vector:
    x, y, z = (float(a) for a in v)
    return (x, y, z)
