"""One camera's frames out of an episode, frames of any size as squares that an embedding reads, and as files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sslctrl import durable
from sslctrl.clips import Episode
from sslctrl.errors import InputError, nearest


def view_of(episode: Episode, camera: str, size_px: int | None = None, what: str = "this video") -> np.ndarray:
    """Return one camera's frames, uint8 (T+1, H, W, 3), as they are or as squares. Raises InputError, naming `what`,
    for another camera.
    """
    cameras = list(episode.meta["cameras"])
    if camera not in cameras:
        raise InputError(
            f"{what} has no camera {camera!r}; the nearest are {nearest(camera, cameras)}; choose one, or record it"
        )
    frames = np.asarray(episode.frames[cameras.index(camera)])
    return frames if size_px is None else square(frames, size_px)


def goal_picture(episode: Episode, camera: str) -> np.ndarray | None:
    """Return what the goal that was pursued looks like through a camera, uint8 (H, W, 3), or None where that is not
    known: an episode of several cameras knows it of the policy's own alone.
    """
    return episode.pursued if episode.meta.get("camera", camera) == camera else None


def square(frames: np.ndarray, size_px: int) -> np.ndarray:
    """Return the middle square of frames at another size: uint8 (T, H, W, 3) -> (T, size_px, size_px, 3).

    Smaller by means over areas, so that nothing aliases; larger by linear interpolation. Frames of that size are
    returned as they are. Raises InputError on another dtype or shape.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or size_px < 1:
        raise InputError(
            f"frames are {frames.dtype} {frames.shape}, size_px is {size_px}; "
            "allowed are uint8 (T, H, W, 3) and 1 or more; pass frames as they were recorded"
        )
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = frames[:, top : top + side, left : left + side]
    if side == size_px:
        return middle
    how = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    resized = [cv2.resize(np.ascontiguousarray(frame), (size_px, size_px), interpolation=how) for frame in middle]
    return np.stack(resized) if resized else np.empty((0, size_px, size_px, 3), np.uint8)


def enlarge(frames: np.ndarray, least_px: int) -> np.ndarray:
    """Repeat every pixel so that the shorter side has `least_px` or more: uint8 (T, H, W, 3)."""
    times = -(-least_px // min(frames.shape[1:3]))
    return frames.repeat(times, axis=1).repeat(times, axis=2)


def write_picture(path: Path, frame: np.ndarray) -> Path:
    """Write a frame, uint8 (H, W, 3), as a PNG and return its path. Raises StorageError where it cannot be written."""
    path = Path(path)
    durable.make_folder(path.parent)
    try:
        path.write_bytes(cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes())
    except OSError as error:
        raise durable.storage_error(error, path) from error
    return path
