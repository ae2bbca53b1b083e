"""Where things truly are in videos: masks and key points of simulated pushes, key points of the box of box.mp4."""

from __future__ import annotations

import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from envs.behaviors import BEHAVIORS
from envs.cameras import pixel_matrix
from envs.env import RobotEnv
from scripts.bench._data import clip_files
from scripts.bench._data_config import data_folder
from scripts.bench._video_data import RANDOMIZE
from sslctrl.film import read_film
from sslctrl.views import square

SIZE_PX, LARGE_PX = 64, 480
_STEPS, _FRAMES, _EVERY = 60, 12, 2
_LEAST_PX, _MOVED_M = 12, 0.06
_POINTS, _LEAST_MATCHES = 12, 15


class Truth(NamedTuple):
    """A clip, and where marked things are in it."""

    frames: np.ndarray
    """uint8 (T, H, W, 3)."""
    masks: np.ndarray
    """bool (T, K, H, W)."""
    points: np.ndarray
    """float (T, K, 2), x and y as fractions of the picture."""


@cache
def pushes(count: int, seed: int) -> tuple[Truth, ...]:
    """Return clips of 12 frames, two steps apart, in which an object is pushed by 6 cm or more: masks of the object
    and of the arm, and where the object's middle and the arm's tip are.
    """
    found: list[Truth] = []
    index = 0
    while len(found) < count:
        truth = _push(seed, index)
        index += 1
        if truth is not None:
            found.append(truth)
    return tuple(found)


def _push(seed: int, index: int) -> Truth | None:
    env = _world()
    env.reset(seed=int(np.random.SeedSequence([seed, index, 7]).generate_state(1)[0]))
    behave = BEHAVIORS["noisy"](env, np.random.default_rng([seed, index, 8]))
    (camera,) = env.views
    matrix = pixel_matrix(camera, SIZE_PX, SIZE_PX)
    frames, bodies, places = [], [], []
    for _ in range(_STEPS):
        frames.append(env.frames(SIZE_PX)[0])
        bodies.append(env.segmentation(camera, SIZE_PX))
        places.append([[*env.state[4:6], 0.015], env.robot.tip()[0]])
        env.step(behave().astype(np.float32))
    object_m = np.array(places)[:, 0, :2]
    span = (_FRAMES - 1) * _EVERY
    moved = np.linalg.norm(object_m[span:] - object_m[:-span], axis=1)
    start = int(moved.argmax())
    used = np.s_[start : start + span + 1 : _EVERY]
    seen = np.stack(bodies)[used]
    names = env.renderer.bodies
    arm = seen == names.index("panda")
    thing = ~arm & ~np.isin(seen, [-1, names.index("table"), names.index("tray")])
    if moved[start] < _MOVED_M or thing[0].sum() < _LEAST_PX:
        return None
    at = np.concatenate([np.array(places)[used], np.ones((len(seen), 2, 1))], axis=2) @ matrix.T
    points = at[..., :2] / at[..., 2:] / SIZE_PX
    return Truth(np.stack(frames)[used], np.stack([thing, arm], axis=1), points)


@lru_cache(maxsize=1)
def _world() -> RobotEnv:
    return RobotEnv("push_varied", "train", randomize=RANDOMIZE, cameras=("front",))


@cache
def boxes(count: int) -> tuple[Truth, ...]:
    """Return up to so many clips of 12 frames from the end of box.mp4, and where points of the box's front are in them.

    A plane seen twice is a homography apart: each frame's to the first is fitted to SIFT matches on 480 px that have
    moved (Lowe 2004; RANSAC), which no tracker at 64 px sees. Clips where a frame has fewer than 15 are left out. No
    masks.
    """
    with tempfile.TemporaryDirectory() as folder:
        package = data_folder() / "raw" / "opencv-doc" / "usr/share/doc/opencv-doc"
        film = read_film(clip_files(package, Path(folder))[0], LARGE_PX).frames
    film = film[round(0.7 * len(film)) :]
    span = (_FRAMES - 1) * 2 * _EVERY
    starts = np.linspace(0, len(film) - span - 1, count).astype(int)
    clips = (_box(film[start : start + span + 1 : 2 * _EVERY]) for start in starts)
    return tuple(clip for clip in clips if clip is not None)


def _box(large: np.ndarray) -> Truth | None:
    finder = cv2.SIFT.create(2000)
    found = [finder.detectAndCompute(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), None) for frame in large]  # pyright: ignore[reportCallIssue, reportArgumentType]
    last = _homography(found[0], found[-1])
    if last is None:
        return None
    off = np.linalg.norm(last[1] - np.median(last[1], axis=0), axis=1)
    inside = last[1][off <= 2.5 * np.median(off)]  # the odd point of the wall agrees by chance
    points = inside[np.linspace(0, len(inside) - 1, _POINTS).astype(int)]
    paths = [points]
    for other in found[1:]:
        one = _homography(found[0], other)
        if one is None:
            return None
        paths.append(cv2.perspectiveTransform(points[None], one[0])[0])
    return Truth(
        square(large, SIZE_PX), np.zeros((len(large), 0, SIZE_PX, SIZE_PX), bool), (np.stack(paths) + 0.5) / LARGE_PX
    )


def _homography(first, other) -> tuple[np.ndarray, np.ndarray] | None:
    """Return how what moves has moved, (3, 3), and the points (N, 2) of the first frame that agree."""
    pairs = cv2.BFMatcher().knnMatch(first[1], other[1], k=2)
    good = [a for a, b in pairs if a.distance < 0.7 * b.distance]
    here = np.array([first[0][match.queryIdx].pt for match in good], np.float32).reshape(-1, 2)
    there = np.array([other[0][match.trainIdx].pt for match in good], np.float32).reshape(-1, 2)
    moved = np.linalg.norm(there - here, axis=1) > 2
    if moved.sum() < _LEAST_MATCHES:
        return None
    matrix, kept = cv2.findHomography(here[moved], there[moved], cv2.RANSAC, 3.0)
    if matrix is None or kept.sum() < _LEAST_MATCHES:
        return None
    return matrix.astype(np.float32), here[moved][kept[:, 0] > 0]
