"""Patches that move, found and followed by optical flow: what a video says of things before anyone names them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from tqdm import tqdm

from sslctrl.clips import Pick
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from vision.motion import flows

_MOVING = 1 / 128
"""Of the picture's side, the least flow of a pixel that moves: half a pixel of 64."""
_SHARE = (0.25, 0.75)
"""Of a patch's pixels that move: with fewer it shows little of a thing, with more the camera moved, or all is one."""
_EACH = 2
LEAST = 5
"""Frames of a track, at the least."""


@dataclass(frozen=True)
class Tracks:
    """N patches, each followed through frames of one view of one episode."""

    episode: np.ndarray
    """int (N,)."""
    view: np.ndarray
    """int (N,)."""
    start: np.ndarray
    """int (N,): the first frame."""
    length: np.ndarray
    """int (N,): frames."""
    corner: np.ndarray
    """int (N, L, 2): row and column of the upper left corner; where the track has ended, the last one."""
    side_px: int
    """Of all of them."""

    def __len__(self) -> int:
        return len(self.episode)

    def set_apart(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw two or more tracks, up to `count`, int (M,), of which no two may be of one thing: they are from
        different episodes, or were seen side by side. Raises InputError where no two are.
        """
        chosen: list[int] = []
        for track in rng.permutation(len(self)).tolist():
            if self._apart[track, chosen].all():
                chosen.append(track)
                if len(chosen) == count:
                    break
        if len(chosen) < 2:
            raise InputError(
                f"the store shows {len(self)} moving things that may all be one; allowed are two episodes in which "
                "something moves, or things that move side by side; record more"
            )
        return np.array(chosen)

    def pick(self, chosen: np.ndarray, at: np.ndarray) -> Pick:
        """Pick of tracks, int (B,), their own frames `at`, int (B, T); label: the patches' corners, int (B, T, 2)."""
        step = self.start[chosen][:, None] + at
        corner = self.corner[chosen[:, None], at]
        return Pick(self.episode[chosen], self.view[chosen][:, None], step[:, None], label=corner)

    @cached_property
    def _apart(self) -> np.ndarray:
        """Whether two tracks cannot be of one thing: bool (N, N)."""
        apart = self.episode[:, None] != self.episode
        end = self.start + self.length
        order = np.lexsort((self.start, self.view, self.episode)).tolist()
        for place, first in enumerate(order):
            film = (self.episode[first], self.view[first])
            for second in order[place + 1 :]:
                if (self.episode[second], self.view[second]) != film or self.start[second] >= end[first]:
                    break
                apart[first, second] = apart[second, first] = self._side_by_side(first, second)
        return apart

    def _side_by_side(self, first: int, second: int) -> bool:
        """Tell whether two tracks that share frames touch in none of them."""
        begin = max(self.start[first], self.start[second])
        end = min(self.start[first] + self.length[first], self.start[second] + self.length[second])
        here, there = (self.corner[one, begin - self.start[one] : end - self.start[one]] for one in (first, second))
        return bool((np.abs(here - there).max(1) >= self.side_px).all())


def mine(store: EpisodeStore, frames: int, side: float) -> Tracks:
    """Find moving patches, squares of `side` of the picture's shorter one, and follow each for up to `frames` frames
    (Wang, Gupta 2015, arXiv 1505.00687, section 3).

    At every half track's length, the one or two places of a view where most moves, and a quarter to three quarters of
    the pixels do; they go where the median of their moving pixels goes, and end at the picture's edge. One that ends
    within five frames, or within a quarter of its side, tells nothing. Raises InputError where none is left.
    """
    found: list[tuple[int, int, int, list[tuple[int, int]]]] = []
    size_px = store.read(store.ids[0]).frames.shape[2:4]
    side_px = side_px_of(size_px, side)
    for index, id in enumerate(tqdm(store.ids, desc="tracks", unit="episode", disable=None)):
        for view, film in enumerate(store.read(id).frames):
            field = np.stack([np.zeros((*size_px, 2), np.float32), *flows(film)])[1:]
            found += [(index, view, *track) for track in _followed(field, frames, side_px)]
    if not found:
        raise InputError(
            f"nothing in {store.root} moves through {LEAST} frames or more; allowed is video of things that move; "
            "record such, or choose a task that needs no tracks"
        )
    episode, view, start, paths = zip(*found, strict=True)
    return Tracks(
        np.array(episode),
        np.array(view),
        np.array(start),
        length=np.array([len(path) for path in paths]),
        corner=np.array([path + path[-1:] * (frames - len(path)) for path in paths]),
        side_px=side_px,
    )


def side_px_of(size_px: Sequence[int], side: float) -> int:
    """Return the side of patches that are `side` of the shorter one of pictures (H, W)."""
    return max(4, round(side * min(size_px)))


def _followed(field: np.ndarray, frames: int, side_px: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield tracks in flows (T, H, W, 2): the first frame, and the corners in each."""
    lengths = np.linalg.norm(field, axis=3)
    moving = lengths > _MOVING * min(field.shape[1:3])
    for start in range(0, len(field), max(1, frames // 2)):
        for corner in _places(lengths[start] * moving[start], moving[start], side_px):
            path = _path(field[start : start + frames - 1], moving[start : start + frames - 1], corner, side_px)
            if len(path) >= LEAST and math.dist(path[0], path[-1]) >= side_px / 4:
                yield start, path


def _places(amount: np.ndarray, moving: np.ndarray, side_px: int) -> list[tuple[int, int]]:
    """Return the corners of up to two squares apart from each other, where most moves."""
    height, width = moving.shape
    share, most = (
        cv2.boxFilter(one.astype(np.float32), -1, (side_px, side_px), anchor=(0, 0), normalize=True)[
            : height - side_px + 1, : width - side_px + 1
        ]
        for one in (moving, amount)
    )
    most = np.where((share >= _SHARE[0]) & (share <= _SHARE[1]), most, 0)
    corners = []
    while len(corners) < _EACH and most.max() > 0:
        row, column = divmod(int(most.argmax()), most.shape[1])
        corners.append((row, column))
        most[max(0, row - side_px + 1) : row + side_px, max(0, column - side_px + 1) : column + side_px] = 0
    return corners


def _path(field: np.ndarray, moving: np.ndarray, corner: tuple[int, int], side_px: int) -> list[tuple[int, int]]:
    """Follow a square: its corner in each frame until it leaves the picture."""
    at, path = np.array(corner, float), [corner]
    most = np.array(moving.shape[1:]) - side_px
    for flow, moves in zip(field, moving, strict=True):
        row, column = path[-1]
        inside = np.s_[row : row + side_px, column : column + side_px]
        if (moved := flow[inside][moves[inside]]).size:
            at += np.median(moved, axis=0)[::-1]
        if (at < -0.5).any() or (at > most + 0.5).any():
            break
        path.append(tuple(np.rint(at).astype(int).clip(0, most).tolist()))
    return path
