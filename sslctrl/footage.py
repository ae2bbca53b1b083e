"""Frames alone as an episode: no robot, no action, no reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sslctrl.clips import Episode


def footage(
    frames: np.ndarray,
    cameras: Sequence[str],
    meta: Mapping[str, Any] | None = None,
    state: np.ndarray | None = None,
    state_names: Sequence[str] = (),
) -> Episode:
    """Return frames, uint8 (V, T, H, W, 3), as an episode; meta: more JSON values for its meta; state, float32 (T, S),
    and the names of its columns, where anything is known.
    """
    nothing = np.zeros((frames.shape[1], 0), np.float32)
    about = {"cameras": list(cameras), "success": False, "state_names": list(state_names), **(meta or {})}
    known = nothing if state is None else state
    return Episode(frames, known, nothing, nothing[1:], np.zeros(len(nothing) - 1, np.float32), about)
