"""Cameras agree with pybullet's, and the rig sees the workspace."""

from itertools import product

import numpy as np
import pybullet
import pytest

from envs.cameras import HELD_OUT, Camera, pixel_matrix, projection_matrix, rig, view_matrix
from envs.looks import jitter, orbit
from envs.meshes import cylinder
from envs.tasks.reach import HIGH_M, LOW_M, Reach
from sslctrl.errors import InputError

CENTER_M = (0.45, 0.0, 0.0)
HALF_M = 0.16  # the tray, walls included


@pytest.mark.parametrize("camera", rig(CENTER_M).values(), ids=lambda c: c.name)
def test_matrices_are_those_of_pybullet(camera):
    theirs = pybullet.computeViewMatrix(camera.eye_m, camera.target_m, camera.up)
    np.testing.assert_allclose(view_matrix(camera).T.ravel(), theirs, atol=1e-6)
    theirs = pybullet.computeProjectionMatrixFOV(np.rad2deg(camera.fov_rad), 1.5, camera.near_m, camera.far_m)
    np.testing.assert_allclose(projection_matrix(camera, 1.5).T.ravel(), theirs, rtol=1e-5, atol=1e-6)


def test_pixels_by_hand():
    camera = Camera("down", (0.0, 0.0, 2.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), fov_rad=np.pi / 2)
    points = np.array([(0, 0, 0, 1), (2, 2, 0, 1), (-2, -2, 0, 1), (0.5, 0, 1, 1)], float)
    x, y, w = pixel_matrix(camera, 100, 100) @ points.T
    np.testing.assert_allclose(w, [2, 2, 2, 1])
    np.testing.assert_allclose(x / w, [50, 100, 0, 75], atol=1e-9)
    np.testing.assert_allclose(y / w, [50, 0, 100, 50], atol=1e-9)


def in_pixels(camera: Camera, points: np.ndarray, size_px: int = 64) -> np.ndarray:
    x, y, w = pixel_matrix(camera, size_px, size_px) @ np.column_stack([points, np.ones(len(points))]).T
    return np.stack([x / w, y / w], 1)


@pytest.mark.parametrize("camera", rig(CENTER_M).values(), ids=lambda c: c.name)
def test_workspace_is_in_view_and_a_puck_covers_eight_pixels(camera):
    corners = np.array([(sx * HALF_M, sy * HALF_M, z) for sx in (-1, 1) for sy in (-1, 1) for z in (0, 0.03)])
    pixels = in_pixels(camera, corners + CENTER_M)
    assert pixels.min() > 1.5 and pixels.max() < 62.5
    for x in (-0.1, 0.0, 0.1):
        for y in (-0.1, 0.0, 0.1):
            puck = in_pixels(camera, cylinder(0.04, 0.03).vertices + np.add(CENTER_M, (x, y, 0.015)))
            width, height = np.ptp(puck, axis=0)
            assert width >= 8
            assert height >= 7


@pytest.mark.parametrize("camera", rig((*CENTER_M[:2], Reach.middle_m)).values(), ids=lambda c: c.name)
def test_all_of_the_box_to_reach_in_is_in_view(camera):
    corners = np.array(list(product(*zip(LOW_M, HIGH_M, strict=True))))
    pixels = np.concatenate([in_pixels(camera, corners + np.array((0, 0, above))) for above in (0.0, 0.04)])
    assert pixels.min() > 1.5 and pixels.max() < 62.5


def test_rig_follows_its_center_and_holds_one_camera_out():
    here, there = rig((0, 0, 0)), rig((1.0, 2.0, 3.0))
    assert list(here) == ["front", "left", "right", "top", HELD_OUT]
    for name in here:
        np.testing.assert_allclose(np.subtract(there[name].eye_m, here[name].eye_m), (1, 2, 3))
        np.testing.assert_allclose(np.subtract(there[name].target_m, here[name].target_m), (1, 2, 3))


def test_an_orbit_keeps_what_a_turned_workspace_would_show():
    camera = rig(CENTER_M)["left"]
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (20, 3))
    turned = np.column_stack([-points[:, 1], points[:, 0], points[:, 2]])  # a quarter turn
    ours = in_pixels(orbit(camera, CENTER_M, np.pi / 2), turned + CENTER_M)
    np.testing.assert_allclose(ours, in_pixels(camera, points + CENTER_M), atol=1e-9)


def test_jitter_is_repeatable_scales_and_keeps_the_rest():
    camera = rig(CENTER_M)["left"]
    one, two = (jitter(camera, np.random.default_rng(3), 0.5) for _ in range(2))
    assert one == two != camera
    assert (one.name, one.up, one.near_m, one.far_m) == (camera.name, camera.up, camera.near_m, camera.far_m)
    none = jitter(camera, np.random.default_rng(3), 0.0)
    np.testing.assert_allclose(none.eye_m, camera.eye_m)
    half = np.subtract(one.eye_m, camera.eye_m)
    full = np.subtract(jitter(camera, np.random.default_rng(3), 1.0).eye_m, camera.eye_m)
    np.testing.assert_allclose(full, 2 * half)
    with pytest.raises(InputError, match="from 0"):
        jitter(camera, np.random.default_rng(3), 2.0)


@pytest.mark.parametrize(
    "camera",
    [
        Camera("a", (0, 0, 1), (0, 0, 1)),
        Camera("a", (0, 0, 1), (0, 0, 0)),
        Camera("a", (np.nan, 0, 1), (0, 0, 0)),
        Camera("a", (1, 0, 1), (0, 0, 0), near_m=0.0),
        Camera("a", (1, 0, 1), (0, 0, 0), far_m=0.001),
        Camera("a", (1, 0, 1), (0, 0, 0), fov_rad=4.0),
    ],
)
def test_impossible_cameras_are_input_errors(camera):
    with pytest.raises(InputError):
        pixel_matrix(camera, 64, 64)
