"""Which frames of a video one embedding reads: the present one alone, or some before it as well."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np


class History(NamedTuple):
    """`frames` frames, `stride` steps apart, the last of which is the present. 5 frames 2 apart look back 8 steps.

    With `first`, the episode's first frame comes before them.
    """

    frames: int = 1
    stride: int = 1
    first: bool = False

    @property
    def look_back(self) -> int:
        """Steps from the oldest frame to the present, the first aside."""
        return (self.frames - 1) * self.stride

    def steps(self, present: np.ndarray) -> np.ndarray:
        """Return the steps that are read at steps (...), oldest first: int (..., n); step 0 for what came before it."""
        read = np.maximum(present[..., None] - np.arange(self.look_back, -1, -self.stride), 0)
        return np.concatenate([np.zeros_like(read[..., :1]), read], axis=-1) if self.first else read

    def of(self, video: np.ndarray) -> np.ndarray:
        """Return what is read at each step of a video (T, ...): (T, n, ...), or the video where n is 1."""
        return video if self.moment == () else video[self.steps(np.arange(len(video)))]

    @property
    def moment(self) -> tuple[int, ...]:
        """The axis that a moment adds to a frame: (n,), or () where it is a frame."""
        return () if self.frames + self.first == 1 else (self.frames + self.first,)


class Moments:
    """The moments of a video that is still being made: of each frame what `History.of` reads at its step."""

    def __init__(self, history: History) -> None:
        self.history, self._lately = history, deque[np.ndarray](maxlen=history.look_back + 1)

    def begin(self) -> None:
        """Begin another video."""
        self._lately.clear()

    def add(self, frame: np.ndarray) -> np.ndarray:
        """Return what is read at a frame (...): (n, ...), or the frame where n is 1."""
        if self.history.moment:
            frame = frame.copy()  # a world may draw all of them into one buffer
        if not self._lately:
            self._first = frame
        self._lately.append(frame)
        steps = self.history._replace(first=False).steps(np.array(len(self._lately) - 1))
        frames = [self._first] * self.history.first + [self._lately[step] for step in steps]
        return np.stack(frames) if self.history.moment else frames[0]
