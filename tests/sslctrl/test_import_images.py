from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from sslctrl import import_images as module
from sslctrl.errors import DataError, InputError
from sslctrl.import_images import import_images, read_image
from sslctrl.store import EpisodeStore

RED = np.array([220, 30, 10], np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def test_what_runs_have_drawn_is_no_picture_to_learn_from(tmp_path: Path) -> None:
    for name in ("a.png", "b/._c.png", "b/c.png", ".trash/d.png", "run/picture.png", "run/deep/d.png"):
        write(tmp_path / "in" / name, np.full((8, 8, 3), 9, np.uint8))
    for name in ("config.yaml", "run.json"):
        (tmp_path / "in" / "run" / name).write_text("{}")
    (tmp_path / "in" / "album.png").mkdir()
    store = import_images(tmp_path / "in", tmp_path / "out", 8)
    assert store.read(store.ids[0]).meta["images"] == ["a.png", "b/c.png"]


def test_images_are_read_as_rgb_on_white(tmp_path: Path) -> None:
    write(tmp_path / "plain.png", np.tile(RED[::-1], (6, 8, 1)))
    write(tmp_path / "grey.png", np.full((6, 8), 77, np.uint8))
    write(tmp_path / "deep.png", np.full((6, 8), 77 * 256 + 3, np.uint16))
    clear = np.zeros((6, 8, 4), np.uint8)
    clear[:3] = (*RED[::-1], 255)
    write(tmp_path / "clear.png", clear)
    assert (read_image(tmp_path / "plain.png") == RED).all()
    assert (read_image(tmp_path / "grey.png") == 77).all() and read_image(tmp_path / "grey.png").shape == (6, 8, 3)
    assert (read_image(tmp_path / "deep.png") == 77).all()
    seen = read_image(tmp_path / "clear.png")
    assert (seen[:3] == RED).all() and (seen[3:] == 255).all()


def test_photographs_of_a_turned_camera_are_upright(tmp_path: Path) -> None:
    """A camera writes how it was held into the header (EXIF's orientation, 6: a quarter turn), not into the pixels."""
    lying = np.zeros((40, 60, 3), np.uint8)
    lying[:, :20] = 255
    write(tmp_path / "phone.jpg", lying)
    turned = struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(turned)) + b"Exif\0\0" + turned
    data = (tmp_path / "phone.jpg").read_bytes()
    (tmp_path / "phone.jpg").write_bytes(data[:2] + exif + data[2:])
    seen = read_image(tmp_path / "phone.jpg")
    assert seen.shape == (60, 40, 3) and seen[:16].min() > 200 and seen[24:].max() < 50


def test_a_folder_becomes_a_store_of_squares_and_random_crops(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_EACH", 4)
    ramp = np.linspace(0, 255, 60, dtype=np.uint8)
    for number in range(3):
        wide = np.tile(ramp[:, None, None], (1, 90, 3))
        wide[..., 0] = 100 * number
        write(tmp_path / "pictures" / "in" / f"{number}.jpg", wide)
    (tmp_path / "pictures" / "notes.txt").write_text("no image")
    store = import_images(tmp_path / "pictures", tmp_path / "store", size_px=30, crops=2)
    assert store.lengths.tolist() == [4, 5] and store.cameras == ("image",)  # the ninth is not left alone
    names = [name for id in store.ids for name in store.read(id).meta["images"]]
    assert names == [f"in/{number}.jpg" for number in range(3) for _ in range(3)]
    frames = np.concatenate([store.read(id).frames[0] for id in store.ids])
    assert frames.shape == (9, 30, 30, 3)
    assert np.abs(np.diff(frames[0, :, 15, 0].astype(int))).max() < 16 and frames[0, -1, 15, 0] > 240  # top to bottom
    heights = np.ptp(frames[:, :, 15, 0].astype(int), axis=1)
    assert heights[0] > 240 and (heights[[1, 2, 4, 5, 7, 8]] > 60).all() and heights.min() < 200  # a third, or more
    assert store.verify() == []
    assert import_images(tmp_path / "pictures", tmp_path / "store", 30, 2).digest() == store.digest()  # kept as it is


def test_an_import_of_others_or_otherwise_is_not_taken_for_what_is_asked(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for folder in ("in", "other"):
            write(tmp_path / folder / f"{name}.png", np.zeros((9, 9), np.uint8))
    made = import_images(tmp_path / "in", tmp_path / "store", 8).digest()
    for folder, size_px, crops in (("other", 8, 0), ("in", 9, 0), ("in", 8, 1)):
        with pytest.raises(InputError, match=r"was imported from .* give another run folder"):
            import_images(tmp_path / folder, tmp_path / "store", size_px, crops)
    assert import_images(tmp_path / "in", tmp_path / "store", 8).digest() == made


def test_bad_folders_are_one_line_and_leave_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder of images"):
        import_images(tmp_path / "nowhere", tmp_path / "store")
    write(tmp_path / "one" / "a.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(InputError, match="holds 1 images"):
        import_images(tmp_path / "one", tmp_path / "store")
    (tmp_path / "one" / "b.png").write_bytes(b"no image at all")
    with pytest.raises(DataError, match=r"b\.png is no image"):
        import_images(tmp_path / "one", tmp_path / "store")
    (tmp_path / "one" / "b.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.png") as caught:
        import_images(tmp_path / "one", tmp_path / "store")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="crops is -1; allowed is 0 or more"):
        import_images(tmp_path / "one", tmp_path / "store", crops=-1)
    with pytest.raises(InputError, match="where something else is; allowed is a free place"):
        import_images(tmp_path / "one", tmp_path / "one")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    (tmp_path / "one" / "b.png").unlink()
    assert len(EpisodeStore(import_images(tmp_path / "one", tmp_path / "store", crops=1).root)) == 1
