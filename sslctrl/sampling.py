"""Choices that the samplers of several objectives share: integers only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sslctrl.clips import Layout, Pick
from sslctrl.errors import InputError, nearest


def camera_indices(layout: Layout, names: str | Sequence[str], at_least: int = 1) -> np.ndarray:
    """Return the view indices of one named camera or of several, or of all where none is named.

    Raises InputError for a name that the store lacks, a name given twice, or fewer than `at_least` cameras.
    """
    chosen = [names] if names and isinstance(names, str) else list(names or layout.cameras)
    for name in chosen:
        if name not in layout.cameras:
            near = nearest(name, layout.cameras)
            raise InputError(f"camera {name!r} is not in the store; the nearest are {near}; choose among its cameras")
    if len(set(chosen)) < max(at_least, len(chosen)):
        raise InputError(
            f"cameras are {', '.join(chosen)}; allowed are {at_least} or more different ones; "
            "name others, record more views, or choose an embedding of one, as svtcn or vae"
        )
    return np.array([layout.cameras.index(name) for name in chosen])


def random_frames(layout: Layout, rng: np.random.Generator, count: int, cameras: str | Sequence[str] = ()) -> Pick:
    """Pick `count` independent frames, uniform over all frames of all episodes, each from a random camera."""
    views = camera_indices(layout, cameras)
    ends = np.cumsum(layout.lengths)
    flat = rng.integers(ends[-1], size=count)
    episode = np.searchsorted(ends, flat, side="right")
    step = flat - (ends - layout.lengths)[episode]
    return Pick(episode, rng.choice(views, size=(count, 1)), step[:, None, None])
