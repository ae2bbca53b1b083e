"""One camera's frames, at the size that is asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from squares import moving_square

from sslctrl.errors import InputError, StorageError
from sslctrl.views import enlarge, square, view_of, write_picture


def test_the_named_camera_is_taken() -> None:
    episode = moving_square(0, views=2, size_px=16)
    for index, camera in enumerate(episode.meta["cameras"]):
        np.testing.assert_array_equal(view_of(episode, camera), episode.frames[index])
    assert view_of(episode, episode.meta["cameras"][1], 8).shape == (*episode.frames.shape[1:2], 8, 8, 3)
    with pytest.raises(InputError, match=r"this video has no camera 'frnt'; the nearest are front"):
        view_of(episode, "frnt")


def test_shrinking_takes_means_over_areas() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3)).astype(np.uint8)
    means = frames.reshape(3, 4, 3, 4, 3, 3).mean(axis=(2, 4))
    assert np.abs(square(frames, 4) - means).max() <= 0.5 + 1e-6


def test_a_wide_frame_loses_its_sides() -> None:
    frames = np.zeros((1, 6, 10, 3), np.uint8)
    frames[:, :, 2:8] = 200
    assert (square(frames, 6) == 200).all() and (square(frames, 3) == 200).all() and (square(frames, 9) == 200).all()


def test_frames_of_that_size_are_not_copied() -> None:
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    assert np.shares_memory(square(frames, 8), frames)
    assert square(frames[:0], 4).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 4), np.uint8)]
)
def test_other_arrays_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError, match="allowed are uint8"):
        square(bad, 4)


def test_a_picture_comes_back_and_a_bad_path_is_one_line(tmp_path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = write_picture(tmp_path / "new" / "a.png", frame)
    np.testing.assert_array_equal(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), frame)
    with pytest.raises(StorageError):
        write_picture(path / "below-a-file.png", frame)


def test_enlarging_repeats_pixels() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3)).astype(np.uint8)
    large = enlarge(frames, 256)
    assert large.shape == (2, 384, 288, 3) and np.array_equal(large[:, ::6, ::6], frames)
