"""Anyone's own pictures as a store: a folder of image files, whose frames are no video but independent images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sslctrl.clips import Episode
from sslctrl.errors import DataError, InputError, check_least
from sslctrl.footage import footage
from sslctrl.import_folder import files_in, kept_at, make_store
from sslctrl.store import EpisodeStore
from sslctrl.views import square

ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
_EACH = 256
"""Images an episode: files of a few megabytes."""
_Named = tuple[str, np.ndarray]
"""A file's name, and a square of it."""


def import_images(folder: Path, out: Path, size_px: int = 64, crops: int = 0) -> EpisodeStore:
    """Make a store of all images in a folder and the folders in it, and return it; one that exists is kept as it is.

    Of each image the middle square and `crops` random ones, of a third of its shorter side or more, all resized; what
    is transparent becomes white. Their files' names are in the episodes' meta, under `images`. Raises DataError where
    there is no such folder or a file cannot be read, InputError for fewer than two images, a size below 8, or another
    import in its place.
    """
    source = {"folder": str(folder), "size_px": size_px, "crops": crops}
    if (kept := kept_at(out, source)) is not None:
        return kept
    check_least(0, crops=crops)
    files = files_in(folder, ENDINGS, "images")
    if len(files) * (1 + crops) < 2 or size_px < 8:
        raise InputError(
            f"{folder} holds {len(files)} images, size_px is {size_px}; allowed are 2 or more of "
            f"{', '.join(ENDINGS)}, and 8 or more"
        )
    images = _squares(tqdm(files, desc="images", disable=None), folder, size_px, crops)
    return make_store((_episode(part) for part in _parts(images)), out, source)


def read_image(path: Path) -> np.ndarray:
    """Return an image as uint8 RGB (H, W, 3), upright, on white where it is transparent. Raises DataError."""
    try:
        file = np.fromfile(path, np.uint8)
        found = cv2.imdecode(file, cv2.IMREAD_UNCHANGED)
        if found is not None and found.shape[2:] != (4,):  # unchanged is also: lying, as the camera was held
            found = cv2.imdecode(file, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (OSError, cv2.error) as error:
        told = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read ({told}); mend it, or take it out of the folder") from error
    if found is not None and found.dtype == np.uint16:
        found = np.right_shift(found, 8).astype(np.uint8)
    if found is None or found.dtype != np.uint8:
        raise DataError(f"{path} is no image of 8 or 16 bits that OpenCV reads; mend it, or take it out of the folder")
    rgb = cv2.cvtColor(found[..., :3], cv2.COLOR_BGR2RGB)
    if found.shape[2] == 3:
        return rgb
    cover = found[..., 3:].astype(np.float32) / 255
    return np.rint(rgb * cover + 255 * (1 - cover)).astype(np.uint8)


def _squares(files: tqdm, folder: Path, size_px: int, crops: int) -> Iterator[_Named]:
    """Yield names and squares, uint8 (size_px, size_px, 3)."""
    for index, path in enumerate(files):
        image, name = read_image(path), str(path.relative_to(folder))
        yield name, square(image[None], size_px)[0]
        rng, (height, width) = np.random.default_rng([0, index]), image.shape[:2]
        for _ in range(crops):
            side = int(rng.integers(-(-min(height, width) // 3), min(height, width) + 1))
            top, left = (int(rng.integers(length - side + 1)) for length in (height, width))
            yield name, square(image[None, top : top + side, left : left + side], size_px)[0]


def _parts(images: Iterator[_Named]) -> Iterator[list[_Named]]:
    """Part into episodes; a last single image, too short for one, goes with those before it."""
    part = list(islice(images, _EACH))
    while part:
        following = list(islice(images, _EACH))
        if len(following) == 1:
            part, following = part + following, []
        yield part
        part = following


def _episode(part: list[_Named]) -> Episode:
    names, frames = zip(*part, strict=True)
    return footage(np.stack(frames)[None], ("image",), {"images": list(names)})
