"""Anyone's own video into an episode: one file a camera, all of the same moments."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sslctrl.clips import Episode
from sslctrl.errors import DataError, InputError
from sslctrl.import_config import ImportConfig
from sslctrl.store import EpisodeStore
from sslctrl.views import square


def import_video(config: ImportConfig) -> EpisodeStore:
    """Add the recording to the store and return it; learning needs nothing else of a robot.

    Raises DataError for a file that cannot be read, InputError where the cameras differ in length, StorageError.
    """
    views = [read_video(path, config.size_px) for path in tqdm(config.videos, desc="videos", disable=None)]
    lengths = [len(view) for view in views]
    if len(set(lengths)) > 1 or lengths[0] <= config.every:
        raise InputError(
            f"the videos have {', '.join(map(str, lengths))} frames; allowed is one number, above {config.every}; "
            "cut them to the same moments"
        )
    seconds = _seconds_a_frame(config.videos[0]) * config.every
    frames = np.stack([view[:: config.every] for view in views])
    proprio, action = (_vectors(path, lengths[0])[:: config.every] for path in (config.proprio, config.actions))
    count = frames.shape[1]
    episode = Episode(
        frames,
        state=np.zeros((count, 0), np.float32),
        proprio=proprio,
        action=action[:-1],
        reward=np.zeros(count - 1, np.float32),
        meta={"cameras": config.names, "success": config.success, "dt_s": seconds, "state_names": []},
    )
    store = EpisodeStore(config.out, create=True)
    if store.ids and list(store.cameras) != config.names:
        raise InputError(
            f"cameras are {', '.join(config.names)}, those of {store.root} are {', '.join(store.cameras)}; "
            "allowed is one rig a store; name them so, or start another store"
        )
    store.add(episode, config.id)
    return store


def read_video(path: Path, size_px: int) -> np.ndarray:
    """Return a film's frames, uint8 RGB (T, size_px, size_px, 3). Raises DataError where none can be read."""
    film = cv2.VideoCapture(str(path))
    frames = []
    try:
        while True:
            good, frame = film.read()
            if not good:
                break
            frames.append(square(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)[None], size_px)[0])
    finally:
        film.release()
    if not frames:
        raise DataError(f"{path} shows no frame; allowed is a video that OpenCV reads, as MP4; check the file")
    return np.stack(frames)


def _seconds_a_frame(path: Path) -> float:
    film = cv2.VideoCapture(str(path))
    rate = film.get(cv2.CAP_PROP_FPS)
    film.release()
    return 1 / rate if 0 < rate < 1000 else 0.1


def _vectors(path: Path | None, frames: int) -> np.ndarray:
    """Read float32 (frames, S), or nothing (frames, 0) where there is no file."""
    if path is None:
        return np.zeros((frames, 0), np.float32)
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); allowed is a .npy file of numbers; save it so") from error
    if values.ndim != 2 or len(values) != frames or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(
            f"{path} is {values.dtype} {values.shape}; allowed are finite numbers ({frames}, any); mend it"
        )
    return values.astype(np.float32)
