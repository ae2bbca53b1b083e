"""Anyone's own video into an episode: one file a camera, all of the same moments."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sslctrl.clips import Episode, seconds_a_step
from sslctrl.errors import UNREADABLE, DataError, InputError
from sslctrl.film import pace, read_film
from sslctrl.footage import footage
from sslctrl.import_config import ImportConfig
from sslctrl.store import EpisodeStore

_log = logging.getLogger(__name__)


def import_video(config: ImportConfig) -> EpisodeStore:
    """Add the recording to the store, unless the same frames are there, and return it; learning needs nothing else of a
    robot.

    Raises DataError for a file that cannot be read, InputError where the cameras differ in length or the store holds
    recordings of another kind, StorageError where it cannot be written.
    """
    cameras = _checked_cameras(config)
    proprio, actions = (_vectors(path) for path in (config.proprio, config.actions))
    films = [read_film(path, config.size_px, config.every) for path in tqdm(config.videos, desc="films", disable=None)]
    lengths = [film.length for film in films]
    if len(set(lengths)) > 1 or lengths[0] <= config.every:
        raise InputError(
            f"the videos have {', '.join(map(str, lengths))} frames; allowed is one number, above {config.every}; "
            "cut them to the same moments"
        )
    rates = [film.rate_hz for film in films if film.rate_hz]  # some do not say
    if not all(math.isclose(rate, rates[0], rel_tol=0.1) for rate in rates):
        raise InputError(
            f"the videos have {', '.join(f'{rate:.4g}' for rate in rates)} frames a second; allowed is one rate; "
            "cut them to the same moments"
        )
    for path, values in ((config.proprio, proprio), (config.actions, actions)):
        if values is not None and len(values) != lengths[0]:
            raise InputError(
                f"{path} has {len(values)} rows; allowed is one a frame of the films, {lengths[0]}; mend it"
            )
    frames = np.stack([film.frames for film in films])
    film = max(films, key=lambda film: film.rate_hz)  # one that says it, if any does
    nothing = np.zeros((lengths[0], 0), np.float32)
    episode = footage(frames, cameras, {"success": config.success, **pace(film, config.every)})._replace(
        proprio=(nothing if proprio is None else proprio)[:: config.every],
        action=(nothing if actions is None else actions)[:: config.every][:-1],
    )
    store = EpisodeStore(config.out, create=True)
    _check_alike(episode, store)
    if config.id is None and (there := _there_already(episode, store)):
        _log.warning("these films are in %s already, as %s: nothing was added", config.out, there)
    else:
        store.add(episode, config.id)
    return store


def _there_already(episode: Episode, store: EpisodeStore) -> str | None:
    """Return which of the store's episodes is this one, if one is. Raises InputError where only its frames are."""
    for id in store.ids:
        there = store.read(id)
        if np.array_equal(there.frames, episode.frames):
            ours, theirs = (
                (one.proprio.tobytes(), one.action.tobytes(), one.meta["success"]) for one in (episode, there)
            )
            if ours != theirs:
                raise InputError(
                    f"{store.root / id} has these films with other proprio, actions or success; allowed is a recording "
                    "once, unless you name it; delete that folder, or give --id"
                )
            return id
    return None


def _checked_cameras(config: ImportConfig) -> list[str]:
    """Return the cameras' names, one a video. Raises InputError for options that do not go together."""
    if config.size_px < 8 or config.every < 1:
        raise InputError(f"size_px is {config.size_px}, every {config.every}; allowed are >= 8 and >= 1; change them")
    if config.every > 1 and config.actions is not None:
        raise InputError(
            f"every is {config.every} and actions are given; allowed is every=1; join the actions yourself"
        )
    names = list(config.cameras or (Path(path).stem for path in config.videos))
    if len(names) != len(config.videos):
        raise InputError(f"{len(config.videos)} videos and {len(names)} cameras; allowed is one name a video")
    if not names or len(set(names)) < len(names):
        raise InputError(f"cameras are {', '.join(names) or 'none'}; allowed are different names; give them")
    return names


def _check_alike(episode: Episode, store: EpisodeStore) -> None:
    """Raise InputError where the store's episodes are of another kind: no batch could be made of both."""
    if not store.ids:
        return
    first = store.read(store.ids[0])
    pace_s = seconds_a_step(episode.meta), seconds_a_step(first.meta)
    for name, ours, theirs in (
        ("cameras", episode.meta["cameras"], first.meta["cameras"]),
        ("size_px", episode.frames.shape[2:4], first.frames.shape[2:4]),
        ("proprio", episode.proprio.shape[1], first.proprio.shape[1]),
        ("actions", episode.action.shape[1], first.action.shape[1]),
        ("state", episode.state.shape[1], first.state.shape[1]),
        ("seconds a step", pace_s[0], pace_s[0] if math.isclose(*pace_s, rel_tol=0.1) else pace_s[1]),
    ):
        if ours != theirs:
            raise InputError(
                f"{name} of this recording: {ours}, of those in {store.root}: {theirs}; allowed is one kind a store; "
                f"make it alike{' with --cameras' if name == 'cameras' else ''}, or start another store"
            )


def _vectors(path: Path | None) -> np.ndarray | None:
    """Read float32 (frames, S) from a .npy file. Raises DataError or InputError."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read ({error}); allowed is a .npy file of numbers; save it so") from error
    if values.ndim != 2 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{path} is {values.dtype} {values.shape}; allowed are finite numbers (frames, any); mend it")
    return values.astype(np.float32)
