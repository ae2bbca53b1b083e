"""A folder of footage becomes a store, each file an episode, as upright as a player shows it."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage import film

from sslctrl.errors import DataError, InputError
from sslctrl.film import read_film
from sslctrl.import_videos import import_videos


def test_every_file_is_an_episode(tmp_path: Path) -> None:
    for name, frames in (("in/b.mp4", 9), ("a.mp4", 6)):
        film(tmp_path / "films" / name, frames)
    (tmp_path / "films" / "notes.txt").write_text("no film")
    store = import_videos(tmp_path / "films", tmp_path / "store", size_px=24, every=2)
    assert store.lengths.tolist() == [3, 5] and store.cameras == ("video",)
    assert [store.read(id).meta["video"] for id in store.ids] == ["a.mp4", "in/b.mp4"]
    first = store.read(store.ids[0])
    assert first.frames.shape == (1, 3, 24, 24, 3) and first.meta["dt_s"] == pytest.approx(0.1)
    widths = [(frame[2, :, 0] > 150).sum() for frame in first.frames[0]]  # of 24 px; frames 0, 2 and 4 of the file
    np.testing.assert_allclose(widths, [6, 10, 14], atol=1)
    assert (
        import_videos(tmp_path / "films", tmp_path / "store", size_px=24, every=2).digest() == store.digest()
    )  # kept as it is


def test_films_of_a_turned_camera_are_upright(tmp_path: Path) -> None:
    """As OpenCV turns them: a phone writes the angle into the header, not into the pixels."""
    path = film(tmp_path / "phone.mp4")
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 2 * 4
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    path.write_bytes(data)
    shown = cv2.VideoCapture(str(path)).read()[1][..., ::-1]
    assert shown.shape == (64, 48, 3)
    np.testing.assert_array_equal(read_film(path, 48).frames[0], shown[8:56])


@pytest.mark.parametrize(
    ("name", "frames", "options", "message", "kind"),
    [
        ("films", 0, {}, "is not a folder of videos", DataError),
        ("films/a.txt", 1, {}, "holds no video", InputError),
        ("films/a.mp4", 3, {"every": 3}, "a.mp4 has 3 frames, every is 3", InputError),
        ("films/a.mp4", 3, {"every": 0}, "every is 0; allowed", InputError),
        ("films/a.mp4", 3, {"size_px": 4}, "size_px is 4", InputError),
        ("films/a.mp4", 1, {}, r"a.mp4 cannot be read \(Invalid data found", DataError),
    ],
)
def test_what_cannot_be_learned_from_is_one_line_and_leaves_nothing(
    tmp_path: Path, name: str, frames: int, options: dict, message: str, kind: type
) -> None:
    if frames == 1:
        (tmp_path / "films").mkdir()
        (tmp_path / name).write_bytes(b"no film")
    elif frames:
        film(tmp_path / name, frames)
    with pytest.raises(kind, match=message):
        import_videos(tmp_path / "films", tmp_path / "store", **options)
    assert not (tmp_path / "store").exists()
