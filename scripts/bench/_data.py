"""Real images as stores: Fashion-MNIST, photographs and cut-outs, each parted into images to learn from and to test on.

Of Debian's packages dataset-fashion-mnist, opencv-doc and tuxpaint-stamps-default, and scikit-image's wheel; unpacked
and not installed, so that no right of an administrator is needed.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scripts.bench._data_config import DataConfig, data_folder
from sslctrl import durable
from sslctrl.errors import DataError, StorageError
from sslctrl.film import pace, read_film
from sslctrl.footage import footage
from sslctrl.import_folder import make_store
from sslctrl.import_images import ENDINGS, import_images
from sslctrl.store import EpisodeStore

PACKAGES = ("dataset-fashion-mnist", "opencv-doc", "tuxpaint-stamps-default")
STILLS = "scikit-image==0.25.2"
"""The wheel whose bundled stills are taken."""
FASHION = {"train": 20_000, "test": 5_000}
"""How many of Fashion-MNIST's images."""
CLASSES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip
"""Fashion-MNIST's, in the order of its labels."""
CROPS = {"photos": 40, "stamps": 0}
"""Random squares of each image beside its middle."""
CLIPS = {"clips": 64, "clips_large": 128}
"""Side of the squares of the real clips: of whole scenes, and where small things in them count."""
_CLIP_FILES = ("opencv4/html/box.mp4.gz", "opencv4/html/cup.mp4.gz", "examples/data/vtest.avi")
_LEARNED = 0.7
"""The part of a clip that is learned from; the rest is tested on."""
_NO_PHOTOGRAPHS = (
    "left", "right", "notes", "text_", "text.", "Text", "pic", "logo", "Logo", "Blender", "ela_", "digits", "mask",
    "templ", "tmpl", "sudoku", "gradient", "ellipses", "blob", "chessboard", "ml.", "pca", "GT", "aloeR", "graf3",
    "leuvenB", "rubberwhale2", "aero3", "basketball", "multipage", "phantom", "page.", "microaneurysms", "clock_motion",
    "horse", "color.", "plant.png", "plant_result", "HappyFish", "box", "cards", "input", "LR_", "stanford", "brick",
    "camera", "cell", "coins", "grass", "gravel", "moon",
)  # fmt: skip
"""Drawings, pages, calibration boards, second views of the same scene; photographs without colour."""


def fetch(config: DataConfig) -> Path:
    """Make what is missing and return the folder. Raises StorageError where a package cannot be fetched."""
    raw = config.out / "raw"
    for package in PACKAGES:
        _unpack(package, raw)
    _unpack_stills(raw)
    for part, count in FASHION.items():
        _fashion(raw / PACKAGES[0], config.out / "fashion" / part, part, count)
    photos = [*_images(raw / PACKAGES[1] / "usr/share/doc/opencv-doc/examples"), *_images(raw / "stills")]
    for name, size_px in CLIPS.items():
        _clips(raw / PACKAGES[1] / "usr/share/doc/opencv-doc", config.out / name, size_px)
    for name, files in (("photos", photos), ("stamps", _images(raw / PACKAGES[2]))):
        _parted(files, config.out, name)
    return config.out


def store_of(name: str, part: str) -> EpisodeStore:
    """Open a store of real images or clips: fashion, photos, stamps, clips or clips_large, train or test.

    Raises DataError where it is not there.
    """
    path = data_folder() / name / part
    if not path.is_dir():
        raise DataError(f"{path} is not there; make data fetches it")
    return EpisodeStore(path)


def labels_of(store: EpisodeStore) -> np.ndarray:
    """Return the classes of Fashion-MNIST's images, int (N,), in the order of episodes and frames."""
    return np.concatenate([store.read(id).state.argmax(1) for id in store.ids])


def _unpack(package: str, raw: Path) -> None:
    if (raw / package).exists():
        return
    with durable.whole(raw / package) as aside:
        _run(["apt-get", "download", "-q", package], aside)
        (archive,) = aside.glob("*.deb")
        _run(["dpkg-deb", "-x", str(archive), str(aside)], aside)
        archive.unlink()


def _unpack_stills(raw: Path) -> None:
    if (raw / "stills").exists():
        return
    with durable.whole(raw / "stills") as aside:
        _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", STILLS], aside)
        (wheel,) = aside.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("skimage/data/") and name.lower().endswith(ENDINGS):
                    (aside / Path(name).name).write_bytes(archive.read(name))
        wheel.unlink()


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise StorageError(
            f"{' '.join(command[:3])} failed ({' '.join(said)}); allowed is a Debian with its package registry; "
            "fetch the packages elsewhere and unpack each into data/raw/PACKAGE of the cache"
        ) from error


def _fashion(package: Path, out: Path, part: str, count: int) -> None:
    """Make a store of Fashion-MNIST: 28 px grey images in the middle of 32 px; the state has one column a class."""
    if out.exists():
        return
    folder, prefix = package / "usr/share/datasets/fashion-mnist", {"train": "train", "test": "t10k"}[part]
    images = np.frombuffer(
        gzip.decompress((folder / f"{prefix}-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16
    )
    labels = np.frombuffer(
        gzip.decompress((folder / f"{prefix}-labels-idx1-ubyte.gz").read_bytes()), np.uint8, offset=8
    )
    padded = np.pad(images.reshape(-1, 28, 28)[:count], ((0, 0), (2, 2), (2, 2)))
    frames = padded[..., None].repeat(3, axis=-1)
    state = np.eye(len(CLASSES), dtype=np.float32)[labels[:count]]
    parts = [np.s_[start : start + 250] for start in range(0, count, 250)]
    episodes = (footage(frames[None, some], ("image",), state=state[some], state_names=CLASSES) for some in parts)
    make_store(episodes, out, {"package": package.name, "part": part, "count": count})


def _clips(package: Path, out: Path, size_px: int) -> None:
    """Make stores of the beginnings and of the ends of the package's real clips."""
    if out.exists():
        return
    with durable.whole(out) as aside, tempfile.TemporaryDirectory() as folder:
        train, test = (EpisodeStore(aside / part, create=True) for part in ("train", "test"))
        for file in clip_files(package, Path(folder)):
            film = read_film(file, size_px)
            cut = round(_LEARNED * len(film.frames))
            for store, part in ((train, film.frames[:cut]), (test, film.frames[cut:])):
                store.add(footage(part[None], ("video",), {"video": file.name, **pace(film, 1)}), file.stem)


def clip_files(package: Path, folder: Path) -> list[Path]:
    """Return the real clips box.mp4, cup.mp4 and vtest.avi of the unpacked package, unzipped into a folder. Raises
    DataError where they are not there.
    """
    files = []
    for name in _CLIP_FILES:
        file = folder / Path(name).name.removesuffix(".gz")
        try:
            data = (package / name).read_bytes()
        except OSError as error:
            raise DataError(f"{package / name} is not there; make data fetches it") from error
        file.write_bytes(gzip.decompress(data) if name.endswith(".gz") else data)
        files.append(file)
    return files


def _images(folder: Path) -> list[Path]:
    """Return the photographs, or cut-outs, of an unpacked package."""
    found = [
        path for path in sorted(folder.rglob("*")) if path.suffix.lower() in ENDINGS and path.stat().st_size > 8000
    ]
    return [path for path in found if not any(word in path.name for word in _NO_PHOTOGRAPHS)]


def _parted(files: Sequence[Path], out: Path, name: str) -> None:
    """Make a store of four fifths of the images, and one of the rest: no image is in both."""
    for part in ("train", "test"):
        if (out / name / part).exists():
            continue
        with tempfile.TemporaryDirectory() as folder:
            for index, path in enumerate(files):
                if (index % 5 == 4) == (part == "test"):
                    (Path(folder) / f"{index:05d}{path.suffix.lower()}").symlink_to(path.resolve())
            import_images(Path(folder), out / name / part, crops=CROPS[name])
