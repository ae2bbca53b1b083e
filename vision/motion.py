"""How much a video moves, and where: dense optical flow, for samplers that would rather not show what stands still."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from sslctrl.clips import Layout, Pick
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore

_LEAST_PX = 12


def flows(frames: np.ndarray, preset: int = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST) -> Iterator[np.ndarray]:
    """Yield the flow from each frame of a view, uint8 (T, H, W, 3), to the next, float32 (H, W, 2): x and y, px.

    OpenCV's DIS (Kroeger et al. 2016), to the finest scale; `preset` is OpenCV's. Raises InputError for frames below 12
    px.
    """
    if min(frames.shape[1:3]) < _LEAST_PX:
        raise InputError(
            f"frames are {frames.shape[1]} x {frames.shape[2]} px; allowed are {_LEAST_PX} or more, to see what moves; "
            "record larger ones"
        )
    finder = cv2.DISOpticalFlow.create(preset)
    finder.setFinestScale(0)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in np.ascontiguousarray(frames)]
    for before, after in itertools.pairwise(grey):
        yield finder.calc(before, after, np.zeros((*before.shape, 2), np.float32))


def speeds_px(flow: np.ndarray) -> np.ndarray:
    """Return how far each pixel moves, (..., H, W), by flow (..., H, W, 2), beside the picture's median: the camera's
    own motion.
    """
    return np.linalg.norm(flow - np.median(flow, axis=(-3, -2), keepdims=True), axis=-1)


class Motion:
    """How much every view of every episode of a store moves from frame to frame: the mean of its flow's
    speeds (`speeds_px`).
    """

    def __init__(self) -> None:
        self.of: Sequence[np.ndarray] = ()
        """float64 (V, T) an episode of T+1 frames."""
        self._prepared_for: str | None = None
        self._sums: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        """By the length of windows: how much all of them move, summed up (W,), and each episode's first one (E+1,)."""

    def prepare(self, store: EpisodeStore) -> None:
        """Look at all of a store; what was seen of the last one is kept, for the next task that asks."""
        self._prepared_for = store.layout.digest
        self.of, self._sums = _amounts(store.root, store.ids, self._prepared_for), {}

    def windows(self, layout: Layout, rng: np.random.Generator, count: int, frames: int) -> Windows:
        """Draw windows of so many frames from all views of all episodes, with a probability that is proportional to how
        much each moves; evenly, where nothing does. Raises InputError where no episode is that long, or `prepare` has
        not looked at this store.
        """
        if self._prepared_for != layout.digest:
            raise InputError("how much the store moves is not known; call the task's prepare(store) before pick")
        if frames not in self._sums:
            self._sums[frames] = self._summed(frames)
        ends, first = self._sums[frames]
        if not len(ends):
            longest = max(moved.shape[1] + 1 for moved in self.of)
            raise InputError(
                f"the longest episode has {longest} frames; allowed are {frames} or more; "
                "record longer ones, or lower the task's options that say how many it looks at, where they can be lower"
            )
        flat = np.searchsorted(ends, rng.random(count) * ends[-1], side="right").clip(max=len(ends) - 1)
        episode = np.searchsorted(first, flat, side="right") - 1
        view, start = np.divmod(flat - first[episode], layout.lengths[episode] + 1 - frames)
        return Windows(episode, view, start)

    def _summed(self, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Return how much all windows of so many frames move, summed up, and where each episode's begin."""
        sums = []
        for moved in self.of:
            total = np.cumsum(np.pad(moved, ((0, 0), (1, 0))), axis=1)
            sums.append((total[:, frames - 1 :] - total[:, : max(0, total.shape[1] - frames + 1)]).ravel())
        ends = np.cumsum(np.concatenate(sums) + 1e-9)  # none is impossible, and sums never run backwards
        return ends, np.cumsum([0, *map(len, sums)])


@lru_cache(maxsize=2)
def _amounts(root: Path, ids: tuple[str, ...], _digest: str) -> list[np.ndarray]:
    store = EpisodeStore(root).subset(ids)
    return [
        np.array([[speeds_px(flow).mean() for flow in flows(view)] for view in store.read(id).frames], np.float64)
        for id in tqdm(store.ids, desc="motion", unit="episode", disable=None)
    ]


class Windows(NamedTuple):
    """Stretches of one view of one episode each."""

    episode: np.ndarray
    """int (B,)."""
    view: np.ndarray
    """int (B,)."""
    start: np.ndarray
    """int (B,): the first frame."""

    def pick(self, offsets: np.ndarray, label: np.ndarray) -> Pick:
        """Return the frames at `offsets`, int (B, T), of the windows' first ones, with a label, int (B,), each."""
        return Pick(
            self.episode, self.view[:, None], (self.start[:, None] + offsets)[:, None], label=label.astype(np.int64)
        )
