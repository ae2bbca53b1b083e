"""The rasteriser against PyBullet's TinyRenderer, on worlds as they are recorded."""

from __future__ import annotations

import numpy as np
import pytest

from envs.cameras import rig
from envs.env import RobotEnv

CAMERAS = tuple(rig((0.0, 0.0, 0.0)))
SIZE_PX = 192


def reached(task, seed, renderer="raster", **options):
    """A world after some seconds of the expert's work."""
    env = RobotEnv(task, renderer=renderer, cameras=CAMERAS, **options)
    env.reset(seed=seed)
    for _ in range(6 * seed):
        env.step(env.expert_action())
    return env


@pytest.mark.parametrize(("task", "seed"), [("push", 0), ("push_varied", 1), ("grasp", 1), ("grasp", 2)])
def test_silhouettes_and_depth_agree_in_every_view(task, seed):
    pair = [reached(task, seed, renderer, variety="heldout") for renderer in ("raster", "tiny")]
    ours, theirs = (env.renderer.render_all(env.sim.part_poses(), env._views, SIZE_PX, env._look) for env in pair)
    names = pair[0].renderer.bodies
    assert names == pair[1].renderer.bodies
    for view, camera in enumerate(CAMERAS):
        for body, name in enumerate(names):
            a, b = ours.segmentation[view] == body, theirs.segmentation[view] == body
            assert (a & b).sum() >= 0.95 * (a | b).sum(), (camera, name)
    same = ours.segmentation == theirs.segmentation
    assert same.mean() > 0.99
    assert np.quantile(np.abs(ours.depth - theirs.depth)[same], 0.99) < 2e-3
    for env in pair:
        env.close()


def test_a_world_can_be_seen_through_tiny_renderer():
    env = reached("push", 1, "tiny")
    first = env.frames(48)
    assert first.shape == (5, 48, 48, 3) and first.dtype == np.uint8
    assert all(len(np.unique(view.reshape(-1, 3), axis=0)) > 5 for view in first)
    np.testing.assert_array_equal(first, env.frames(48))
    for _ in range(5):
        env.step(np.array([1.0, 0.0]))
    assert (env.frames(48) != first).any(axis=(1, 2, 3)).all()
    env.close()
