"""Films of one's own become an episode that everything else can learn from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from sslctrl import import_video as module
from sslctrl.errors import DataError, InputError, SslctrlError
from sslctrl.film import read_film
from sslctrl.import_config import ImportConfig
from sslctrl.import_video import import_video
from sslctrl.store import EpisodeStore


def film(path: Path, frames: int = 10, left: int = 8, fps: float = 20.0) -> Path:
    """Write a film, 64 wide and 48 high, of a red square that goes down 2 px a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for step in range(frames):
        frame = np.full((48, 64, 3), 40, np.uint8)
        frame[4 + 2 * step : 16 + 2 * step, 8 + left : 20 + left] = (30, 30, 220)  # blue, green, red
        writer.write(frame)
    writer.release()
    return path


def test_two_films_become_one_episode(tmp_path: Path) -> None:
    videos = (film(tmp_path / "front.avi"), film(tmp_path / "side.avi", left=16))
    np.save(tmp_path / "hand.npy", np.arange(20.0).reshape(10, 2))
    np.save(tmp_path / "command.npy", np.arange(10).reshape(10, 1))
    config = ImportConfig(
        tmp_path / "store", videos, size_px=48, proprio=tmp_path / "hand.npy", actions=tmp_path / "command.npy"
    )
    store = import_video(config)
    episode = store.read(store.ids[0])
    assert store.cameras == ("front", "side") and episode.frames.shape == (2, 10, 48, 48, 3)
    assert episode.meta["dt_s"] == pytest.approx(0.05)
    for view, column in enumerate((14, 22)):  # the middle square begins 8 px from the left
        for step in (0, 5, 9):
            red, green, blue = episode.frames[view, step, 10 + 2 * step, column].astype(int)
            assert red > 180 and green < 70 and blue < 70
            assert episode.frames[view, step, 40 - step, 40].max() < 80
    np.testing.assert_array_equal(episode.proprio, np.arange(20, dtype=np.float32).reshape(10, 2))
    np.testing.assert_array_equal(episode.action[:, 0], np.arange(9, dtype=np.float32))
    assert store.verify() == []


def test_the_pace_is_that_of_the_film_that_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = (film(tmp_path / "front.avi"), film(tmp_path / "side.avi", left=16))
    rates = iter((0.0, 20.0))
    monkeypatch.setattr(module, "read_film", lambda *given: read_film(*given)._replace(rate_hz=next(rates)))
    store = import_video(ImportConfig(tmp_path / "store", videos, size_px=48))
    assert store.read("000000").meta["dt_s"] == pytest.approx(0.05)


def test_every_second_frame_under_names_of_ones_own(tmp_path: Path) -> None:
    config = ImportConfig(tmp_path / "store", (film(tmp_path / "a.avi"),), cameras=("wrist",), every=2, size_px=16)
    assert import_video(config).lengths.tolist() == [5]
    store = import_video(config)
    assert store.cameras == ("wrist",) and store.read("000000").meta["dt_s"] == pytest.approx(0.1)


def test_the_same_recording_is_added_once_unless_it_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = ImportConfig(tmp_path / "store", (film(tmp_path / "a.avi"),), size_px=16)
    first, other = import_video(config), replace(config, videos=(film(tmp_path / "b.avi", left=16),), cameras=("a",))
    assert import_video(config).ids == first.ids == ("000000",)
    assert caplog.messages == [f"these films are in {config.out} already, as 000000: nothing was added"]
    with pytest.raises(InputError, match="000000 has these films with other proprio, actions or success"):
        import_video(replace(config, success=True))
    assert import_video(other).ids == ("000000", "000001")
    assert import_video(replace(config, id="again")).ids == ("000000", "000001", "again")


def wrong_length(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (film(folder / "a.avi"), film(folder / "b.avi", frames=9)))


def wrong_rate(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (film(folder / "a.avi"), film(folder / "b.avi", fps=30.0)))


def no_film(folder: Path) -> ImportConfig:
    (folder / "a.mp4").write_text("words")
    return ImportConfig(folder / "store", (folder / "a.mp4",))


def no_file(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (folder / "a.mp4",))


def short_vectors(folder: Path) -> ImportConfig:
    np.save(folder / "hand.npy", np.zeros((9, 2)))
    return ImportConfig(folder / "store", (film(folder / "a.avi"),), proprio=folder / "hand.npy")


def flat_vectors(folder: Path) -> ImportConfig:
    np.save(folder / "hand.npy", np.zeros(10))
    return ImportConfig(folder / "store", (film(folder / "a.avi"),), proprio=folder / "hand.npy")


def several_arrays(folder: Path) -> ImportConfig:
    np.savez(folder / "hand.npz", np.zeros((10, 2)))
    return ImportConfig(folder / "store", (film(folder / "a.avi"),), proprio=folder / "hand.npz")


def pickled(folder: Path) -> ImportConfig:
    np.save(folder / "hand.npy", np.array([{}], object), allow_pickle=True)
    return ImportConfig(folder / "store", (film(folder / "a.avi"),), proprio=folder / "hand.npy")


def lost_actions(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (film(folder / "a.avi"),), every=2, actions=folder / "command.npy")


def one_name(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (Path("a"), Path("b")), cameras=("x",))


def same_names(folder: Path) -> ImportConfig:
    return ImportConfig(folder / "store", (Path("x/a.mp4"), Path("y/a.mp4")))


@pytest.mark.parametrize(
    ("broken", "message", "kind"),
    [
        (wrong_length, "the videos have 10, 9 frames", InputError),
        (wrong_rate, "the videos have 20, 30 frames a second; allowed is one rate", InputError),
        (no_film, r"a.mp4 cannot be read \(Invalid data found", DataError),
        (no_file, "there is no file .*a.mp4", DataError),
        (short_vectors, "hand.npy has 9 rows; allowed is one a frame of the films, 10", InputError),
        (flat_vectors, r"allowed are finite numbers \(frames, any\)", InputError),
        (several_arrays, "hand.npz cannot be read", DataError),
        (pickled, "hand.npy cannot be read", DataError),
        (lost_actions, "every is 2 and actions are given", InputError),
        (one_name, "2 videos and 1 cameras", InputError),
        (same_names, "cameras are a, a; allowed are different names", InputError),
    ],
)
def test_what_does_not_fit_is_one_line_and_adds_nothing(
    tmp_path: Path, broken, message: str, kind: type[SslctrlError]
) -> None:
    with pytest.raises(kind, match=message) as caught:
        import_video(broken(tmp_path))
    assert "\n" not in str(caught.value) and not (tmp_path / "store").exists()


def test_recordings_of_another_kind_are_refused(tmp_path: Path) -> None:
    config = ImportConfig(tmp_path / "store", (film(tmp_path / "a.avi"),))
    import_video(config)
    np.save(tmp_path / "hand.npy", np.zeros((10, 2)))
    for changes, message in (
        ({"cameras": ("head",)}, r"cameras of this recording: \['head'\], of those in .*: \['a'\]"),
        ({"size_px": 32}, r"size_px of this recording: \(32, 32\)"),
        ({"proprio": tmp_path / "hand.npy"}, "proprio of this recording: 2, of those in .*: 0"),
        ({"every": 2}, "seconds a step of this recording: 0.1, of those in .*: 0.05"),
    ):
        with pytest.raises(InputError, match=message):
            import_video(replace(config, **changes))
    assert len(import_video(config)) == 1
    simulated = EpisodeStore(tmp_path / "simulated", create=True)
    simulated.add(import_video(config).read("000000")._replace(state=np.zeros((10, 4), np.float32)))
    with pytest.raises(InputError, match=r"state of this recording: 0, of those in .*: 4"):
        import_video(replace(config, out=simulated.root))


def test_a_film_that_was_cut_off_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = tmp_path / "whole.mp4"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("mpeg4", rate=20, width=48, height=32, pix_fmt="yuv420p")
        for shade in range(100):
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.full((32, 48, 3), 2 * shade, np.uint8), format="rgb24"))
            )
        file.mux(stream.encode())
    assert read_film(whole, 16).length == 100 and not caplog.messages
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    length = read_film(cut, 16).length
    assert length < 90 and caplog.messages == [
        f"{cut} says that it has 100 frames, and ends after {length}; was it copied whole?"
    ]


def test_the_script_says_what_fits_one_camera(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "scripts" / "import_video.py"
    flags = ["--out", "store", "--videos", str(film(tmp_path / "a.avi")), "--size-px", "32"]
    done = subprocess.run([sys.executable, script, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "episodes in store: 1;" in done.stdout and "--name vae --options size_px=32" in done.stdout
    flags = ["--out", "my store", "--videos", "a.avi", "--size-px", "96"]
    done = subprocess.run([sys.executable, script, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "--store 'my store' --run runs/svtcn --name svtcn --options size_px=96" in done.stdout
    (tmp_path / "part.yaml").write_text("size_px: 16\n")
    flags = ["--config", "part.yaml", "--out", "other"]
    done = subprocess.run([sys.executable, script, *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--videos missing" in done.stderr


def test_a_title_in_another_encoding_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "TITLE"
        stream = file.add_stream("mpeg4", rate=20, width=48, height=32, pix_fmt="yuv420p")
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 48, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode())
    assert b"TITLE" in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"T\xcfTLE"))
    assert read_film(path, 16).length == 1
