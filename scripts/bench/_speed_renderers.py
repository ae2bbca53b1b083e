"""The rasteriser beside PyBullet's TinyRenderer on the same meshes, poses and cameras: is it fast, is it right?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from tqdm import tqdm

from envs.cameras import Camera, rig
from envs.env import RENDERERS, RobotEnv, world_of
from envs.looks import default_look
from envs.render import Renderer
from envs.tray import CENTER_M
from scripts.bench._intervals import Figure
from scripts.bench._rounds import Work, cpu_seconds, milliseconds, ratio

WORLDS = ("Reach", "Push", "PushVaried", "Grasp")
SIZE_PX = 64
SILHOUETTE_PX = 256
MOVES = 5  # random control steps from the reset to the scene
SMALLEST_PX = 200
"""Pixels of 256 x 256 that a body must cover to count.

Two right renderers still differ where an outline passes close to a pixel's centre, so in a share of the outline's
pixels: of a disc of 200 px (16 across) the outline is 50, and 0.95 asks that no more than one in five of them differ.
Smaller are only bodies of which others hide all but a sliver: there the figure would tell of rounding.
"""


class Scene(NamedTuple):
    """One moment of a world."""

    world: str
    poses: np.ndarray
    """float64 (P, 3, 4)."""


class Overlap(NamedTuple):
    """How well two renderers agree on where one body is seen in one picture."""

    iou: float
    case: str
    """World, scene, camera and body."""


def speed_figures(rounds: int, turns: int, scenes: int) -> dict[str, Figure]:
    """One 64 px view of Push a call, every camera in turn; the rasteriser draws each scene ten times a turn."""
    env = make("Push")
    poses = [scene.poses for scene in moments(env, "Push", scenes)]
    cameras = list(rig((*CENTER_M, 0.0)).values())
    works = {
        name: drawn(RENDERERS[name](env.sim.parts), poses, cameras, times)
        for name, times in (("tiny", 1), ("raster", 10))
    }
    cost = cpu_seconds(works, rounds, turns)
    env.close()
    return {
        "raster_vs_tiny_same_mesh": ratio(cost["tiny"], cost["raster"]),
        "raster_view_ms": milliseconds(cost["raster"]),
        "tiny_view_ms": milliseconds(cost["tiny"]),
    }


def silhouette_figures(scenes: int) -> dict[str, Figure]:
    """The worst agreement over every world's bodies, cameras (the held-out one, too) and ``scenes`` random scenes."""
    found = [overlap for world in WORLDS for overlap in overlaps(world, scenes)]
    values = np.array([overlap.iou for overlap in found])
    worst = found[int(values.argmin())]
    print(f"worst silhouette: {worst.iou:.4f}, {worst.case}")
    low, percent, middle, high = np.percentile(values, [0, 1, 50, 100]).tolist()
    return {
        "silhouette_iou_min": Figure(low, low, high, len(values), "fraction"),
        "silhouette_iou_first_percentile": Figure(percent, low, high, len(values), "fraction"),
        "silhouette_iou_median": Figure(middle, low, high, len(values), "fraction"),
    }


def overlaps(world: str, scenes: int) -> Iterator[Overlap]:
    """Yield intersection over union of the two silhouettes of every body that covers enough pixels in either."""
    env = make(world)
    cameras = list(rig((*CENTER_M, 0.0)).values())
    raster, tiny = (RENDERERS[name](env.sim.parts) for name in ("raster", "tiny"))
    for index, scene in enumerate(
        tqdm(moments(env, world, scenes), total=scenes, desc=world, unit="scene", disable=None)
    ):
        ours, theirs = (r.render_all(scene.poses, cameras, SILHOUETTE_PX, default_look()) for r in (raster, tiny))
        for view, camera in enumerate(cameras):
            for body, iou in silhouettes(ours.segmentation[view], theirs.segmentation[view], len(raster.bodies)):
                yield Overlap(iou, f"{world} scene {index}, {camera.name}, {raster.bodies[body]}")
    env.close()


def silhouettes(first: np.ndarray, second: np.ndarray, bodies: int) -> Iterator[tuple[int, float]]:
    """Yield (body, IoU) of two segmentations (H, W) for each body of SMALLEST_PX pixels or more in either."""
    count_a, count_b, both = (
        np.bincount(ids[ids >= 0], minlength=bodies) for ids in (first, second, np.where(first == second, first, -1))
    )
    for body in np.flatnonzero(np.maximum(count_a, count_b) >= SMALLEST_PX):
        yield int(body), float(both[body] / (count_a[body] + count_b[body] - both[body]))


def moments(env: RobotEnv, world: str, count: int) -> Iterator[Scene]:
    """Yield random scenes: a reset from each seed, then a few random actions."""
    rng = np.random.default_rng(0)
    for seed in range(count):
        env.reset(seed=seed)
        for _ in range(MOVES):
            env.step(rng.uniform(-1, 1, len(env.task.action_names)))
        yield Scene(world, env.sim.part_poses())


def drawn(renderer: Renderer, poses: list[np.ndarray], cameras: list[Camera], times: int) -> Work:
    """Return the work of drawing every scene from every camera, one view a call."""
    look = default_look()

    def work() -> int:
        for _ in range(times):
            for scene in poses:
                for camera in cameras:
                    renderer.render(scene, [camera], SIZE_PX, look)
        return times * len(poses) * len(cameras)

    return work


def make(world: str) -> RobotEnv:
    """Return one of our worlds without wrappers."""
    return world_of(gym.make(f"sslctrl/{world}-v0"))
