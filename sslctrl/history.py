"""Which frames of a video one embedding reads: the present one alone, or some before it as well."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class History(NamedTuple):
    """`frames` frames, `stride` steps apart, the last of which is the present. 5 frames 2 apart look back 8 steps."""

    frames: int = 1
    stride: int = 1

    @property
    def look_back(self) -> int:
        """Steps from the oldest frame to the present."""
        return (self.frames - 1) * self.stride

    def steps(self, present: np.ndarray) -> np.ndarray:
        """Return the steps that are read at steps (...), oldest first: int (..., frames); step 0 for what came before
        it.
        """
        return np.maximum(present[..., None] - np.arange(self.look_back, -1, -self.stride), 0)

    def of(self, video: np.ndarray) -> np.ndarray:
        """Return what is read at each step of a video (T, ...): (T, frames, ...), or the video where it is 1."""
        return video if self.frames == 1 else video[self.steps(np.arange(len(video)))]
