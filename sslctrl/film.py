"""Anyone's video files, decoded: H.264 and whatever else FFmpeg reads, turned as the camera was held."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from sslctrl.errors import DataError
from sslctrl.views import square

_log = logging.getLogger(__name__)


class Film(NamedTuple):
    """What one camera saw."""

    frames: np.ndarray
    """uint8 RGB (T, S, S, 3): those that were kept."""
    length: int
    """Frames of the file."""
    rate_hz: float
    """Of the file; 0 where it does not say."""


def read_film(path: Path, size_px: int, every: int = 1) -> Film:
    """Read a film and keep one of `every` frames, size_px square. Raises DataError where none can be read."""
    if not Path(path).is_file():
        what = f"{path} is a folder" if Path(path).is_dir() else f"there is no file {path}"
        raise DataError(f"{what}; allowed are videos, one a camera; check the name")
    frames, count = [], 0
    try:
        with av.open(str(path), metadata_errors="replace") as film:
            said = film.streams.video[0].frames if film.streams.video else 0
            rate = film.streams.video[0].average_rate if film.streams.video else None
            for frame in film.decode(video=0) if film.streams.video else ():
                if count % every == 0:
                    upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                    frames.append(square(upright[None], size_px)[0])
                count += 1
    except (FFmpegError, OSError) as error:
        what = f"frame {count} of {path}" if count else path
        raise DataError(
            f"{what} cannot be read ({error.strerror}); allowed is a whole video that FFmpeg reads, as MP4; "
            "copy it again"
        ) from error
    if not frames:
        raise DataError(f"{path} shows no frame; allowed is a video that FFmpeg reads, as MP4; check the file")
    if count < 0.9 * said:  # a little less is common
        _log.warning("%s says that it has %d frames, and ends after %d; was it copied whole?", path, said, count)
    return Film(np.stack(frames), count, float(rate or 0))


def pace(film: Film, every: int) -> dict[str, float]:
    """Return the meta that says the time between kept frames, `dt_s`: none where the file does not say."""
    return {"dt_s": every / film.rate_hz} if 0 < film.rate_hz < 1000 else {}
