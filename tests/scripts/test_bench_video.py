"""The bench of video tasks: what it takes for the truth, and how it counts, without the real clips of `make data`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from scripts.bench import _video_scores as scores
from scripts.bench import _video_truth as truth
from scripts.bench import video_pretext
from scripts.bench._trials import Trial
from scripts.bench._video_config import TASKS, VideoConfig
from scripts.bench._video_data import fall, stores
from scripts.bench._video_parts import TRIALS, figures_of, unit
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective


def test_every_task_has_trials_and_every_goal_is_of_one_of_them() -> None:
    assert set(TRIALS) == set(TASKS)
    for goal in video_pretext.GOALS:
        task, figure = goal.split(".")
        assert any(figure == where or figure.startswith(f"{where}_") for where in TRIALS[task]), goal


def test_retrieval_is_by_vectors_pixels_and_colours(tiny_store: EpisodeStore) -> None:
    net = {"widths": [8], "strides": [4]}
    task: Any = build_objective(ObjectiveSpec("facenet_triplet", {"frames": 8}, backbone_options=net))
    found = scores.recognised(task.eval(), tiny_store, 0)
    assert set(found) == {"", "raw", "color", "gallery"} and 2 <= found["gallery"] <= 48
    assert all(0 <= found[name] <= 1 for name in ("", "raw", "color"))
    task.things.embedded = lambda _, patches: patches.flatten(2) * 0  # all alike: the first of all is named
    assert scores.recognised(task, tiny_store, 0)[""] == pytest.approx(1 / found["gallery"], abs=0.05)


def test_the_arrow_s_control_may_miss_chance_either_way() -> None:
    assert figures_of("arrow_of_time", {"leak": {"": 0.4}})["arrow_of_time.leak_off_chance"] == pytest.approx(0.1)


def test_a_score_s_source_is_part_of_what_is_kept() -> None:
    trial = Trial(scores.accuracy, 10)
    one, other = (trial.folder("tracking", "sim", by) for by in ("one", "other"))
    third = Trial(scores.balanced, 10).folder("tracking", "sim", "one")
    assert (
        len({one, other, third}) == 3 and len({name.split("/")[0] for name in (one, other, third)}) == 1
    )  # trained once


def test_figures_are_set_against_what_stands_beside_them() -> None:
    sim = {"j": 0.7, "j_identity": 0.3, "j_random": 0.2, "j_dis": 0.6, "pck": 0.9, "pck_identity": 0.5}
    found = figures_of("video_colorization", {"sim": sim, "real": {"pck": 0.8, "pck_identity": 0.6}})
    assert found["video_colorization.sim_j"] == 0.7
    assert found["video_colorization.sim_j_over_identity"] == pytest.approx(0.4)
    assert found["video_colorization.real_pck_over_identity"] == pytest.approx(0.2)
    assert "video_colorization.real_j_over_identity" not in found
    found = figures_of("tracking", {"real": {"": 0.9, "raw": 0.8, "r1": 0.7}})
    assert found == pytest.approx(
        {
            "tracking.real": 0.9, "tracking.real_raw": 0.8, "tracking.real_r1": 0.7, "tracking.real_over_raw": 0.1
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tracking.sim_minutes", "min"), ("video_colorization.sim_j_over_dis", "IoU"),
        ("video_colorization.sim_pck", "fraction"), ("odd_one_out.leak", "fraction"),
    ],
)  # fmt: skip
def test_units(name: str, wanted: str) -> None:
    assert unit(name) == wanted


def test_jaccard_is_the_mean_over_frames_and_masks_that_are_shown() -> None:
    true = np.zeros((3, 2, 4, 4), bool)
    true[:, 0, :2] = True
    true[:2, 1, 3] = True  # gone in the last frame
    found = true.copy()
    found[0] = False  # the first frame is given
    found[1, 0, 1] = False  # half of it
    found[2, 1, 0] = True  # which no longer counts
    assert scores.jaccard(found, true) == pytest.approx((0.5 + 1 + 1) / 3)


def test_flow_carries_masks_and_points() -> None:
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (48, 60, 3), np.uint8), (0, 0), 1.5)
    frames = np.stack([wide[:, 8 - 2 * step : 56 - 2 * step] for step in range(4)])
    mask = np.zeros((1, 48, 48), bool)
    mask[0, 16:30, 12:26] = True
    masks, points = scores.by_flow(frames, mask, np.array([[0.4, 0.5]]))
    assert scores.jaccard(masks, np.stack([np.roll(mask, 2 * step, axis=2) for step in range(4)])) > 0.8
    np.testing.assert_allclose(points[3, 0], [0.4 + 6 / 48, 0.5], atol=0.03)


def test_marked_pushes_are_where_the_renderer_drew_them() -> None:
    (clip,) = truth.pushes(1, 3)
    assert clip.frames.shape == (12, 64, 64, 3) and clip.masks.shape == (12, 2, 64, 64)
    thing, arm = clip.masks[:, 0], clip.masks[:, 1]
    assert not (thing & arm).any() and thing[0].sum() >= 12 and arm.any((1, 2)).all()
    for frame in range(12):
        if thing[frame].sum() < 20:
            continue  # behind the arm
        rows, columns = np.nonzero(thing[frame])
        middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / 64
        assert np.linalg.norm(clip.points[frame, 0] - middle) < 0.08
    tip = (clip.points[:, 1] * 64).round().astype(int).clip(2, 61)
    near = [arm[frame, y - 2 : y + 3, x - 2 : x + 3].any() for frame, (x, y) in enumerate(tip)]
    assert np.mean(near) > 0.8
    assert np.linalg.norm(clip.points[-1, 0] - clip.points[0, 0]) > 0.08  # it was pushed


def test_points_of_a_plane_are_found_again_where_a_homography_took_it() -> None:
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(0, 90, (480, 480, 3), np.uint8), (0, 0), 2)
    board = cv2.GaussianBlur(rng.integers(0, 256, (160, 200, 3), np.uint8), (0, 0), 2)
    frames, maps = [], []
    for step in range(3):
        turn = cv2.getRotationMatrix2D((100, 80), 3.0 * step, 1.0)
        place = np.vstack([turn, [0, 0, 1]])
        place[:2, 2] += 140 + 12 * step, 150 + 5 * step
        cover = cv2.warpPerspective(np.ones((160, 200), np.uint8), place, (480, 480))[..., None]
        frames.append(np.where(cover > 0, cv2.warpPerspective(board, place, (480, 480)), wall))
        maps.append(place)
    found = truth._box(np.stack(frames))
    assert found is not None and found.frames.shape == (3, 64, 64, 3) and found.points.shape[2] == 2
    for step in range(1, 3):
        took = (maps[step] @ np.linalg.inv(maps[0])).astype(np.float32)
        wanted = cv2.perspectiveTransform(((found.points[0] * 480) - 0.5)[None].astype(np.float32), took)[0]
        assert np.linalg.norm(found.points[step] * 480 - 0.5 - wanted, axis=1).max() < 3


@pytest.mark.slow
def test_things_fall_and_then_lie() -> None:
    film = fall(0, 0).frames.astype(int)
    change = np.abs(np.diff(film, axis=1)).mean((0, 2, 3, 4))
    assert film.shape == (3, 25, 64, 64, 3) and change[:8].mean() > 3 * change[-6:].mean()
    assert not np.array_equal(film, fall(0, 1).frames)
    np.testing.assert_array_equal(film, fall(0, 0).frames)


def test_clips_that_were_not_fetched_say_what_brings_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLCTRL_CACHE", str(tmp_path))
    with pytest.raises(DataError, match="make data"):
        stores("clips", tmp_path)
    with pytest.raises(DataError, match="make data"):
        truth.boxes.__wrapped__(1)


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(InputError, match="only has 'rotation'; allowed are tracking, "):
        VideoConfig(only=("rotation",))


def test_places_that_move_are_those_of_flow() -> None:
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.integers(0, 256, (32, 32, 3), np.uint8), (0, 0), 1)
    moved = ground.copy()
    moved[8:20, 8:20] = ground[8:20, 6:18]
    pair = torch.from_numpy(np.stack([ground, moved])).movedim(-1, -3)[None]
    places = scores._moving(pair, (16, 16))
    assert places.shape == (1, 16, 16) and places[0, 5:9, 5:9].float().mean() > 0.7
    assert places[0, 12:, 12:].float().mean() < 0.1
