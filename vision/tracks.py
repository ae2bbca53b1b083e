"""Patches that move, found and followed by optical flow: what a video says of things before anyone names them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from sslctrl.clips import Pick
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from vision.motion import flows, speeds_px

_MOVING = 1 / 128
"""Of the picture's side, the least flow of a pixel that moves: half a pixel of 64."""
_SHARE = (0.25, 0.75)
"""Of a patch's pixels that move: with fewer it shows little of a thing, with more the camera moved, or all is one."""
_CHANGE = 3.0
"""Of 255 grey levels, from one frame to the next."""
_EACH, _PART = 4, 256
_Path = list[tuple[int, int]]
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
        """Draw two or more tracks, up to `count`, int (M,), every two of which are from different episodes, or were
        seen side by side. All that episodes share, a robot say, is of one thing there, too, and nothing tells. Raises
        InputError where no two are.
        """
        order = rng.permutation(len(self))
        for begin, track in enumerate(order):  # of one film, a track may have been seen beside none
            apart = self._apart(track, order[begin + 1 :])
            if not apart.any():
                continue
            chosen, left = [track], order[begin + 1 :][apart]
            while len(left) and len(chosen) < count:
                chosen.append(left[0])
                left = left[1:][self._apart(left[0], left[1:])]
            return np.array(chosen)
        raise InputError(
            f"the store shows {len(self)} moving things that may all be one; allowed are two episodes in which "
            "something moves, or things that move side by side; record more"
        )

    def pick(self, chosen: np.ndarray, at: np.ndarray) -> Pick:
        """Pick of tracks, int (B,), their own frames `at`, int (B, T); label: the patches' corners, int (B, T, 2)."""
        step = self.start[chosen][:, None] + at
        corner = self.corner[chosen[:, None], at]
        return Pick(self.episode[chosen], self.view[chosen][:, None], step[:, None], label=corner)

    def _apart(self, one: int, others: np.ndarray) -> np.ndarray:
        """Tell of each of the others, int (M,), whether it is from another episode than this track, or shares frames of
        a film with it and touches it in none of them: bool (M,).
        """
        apart = self.episode[others] != self.episode[one]
        begin, end = self.start[others], self.start[others] + self.length[others]
        together = (begin < self.start[one] + self.length[one]) & (end > self.start[one])
        near = np.flatnonzero(~apart & (self.view[others] == self.view[one]) & together)
        beside = others[near]
        step = np.arange(self.length[one])
        theirs = step + self.start[one] - self.start[beside][:, None]  # their own frames at this one's
        shared = (theirs >= 0) & (theirs < self.length[beside][:, None])
        there = self.corner[beside[:, None], theirs.clip(0, self.corner.shape[1] - 1)]
        clear = np.abs(there - self.corner[one, step]).max(-1) >= self.side_px
        apart[near] = (clear | ~shared).all(1)
        return apart


def mine(store: EpisodeStore, frames: int, side: float) -> Tracks:
    """Find moving patches, squares of `side` of the picture's shorter one, and follow each for up to `frames` frames
    (Wang, Gupta 2015, arXiv 1505.00687, section 3).

    At every quarter of a track's length, up to four places of a view where most moves, and a quarter to three quarters
    of the pixels do, beside the camera; they go where the median of these pixels goes, and end at the picture's edge. A
    track counts where the way back, through the flow from each frame to the one before, leads to where it began, to
    within a quarter of the patch's side (Kalal et al. 2010); half of it is tried where the whole does not. One that
    ends within five frames, or within a quarter of its side, tells nothing. Raises InputError where none is left.
    """
    found: list[tuple[int, int, int, _Path]] = []
    size_px = store.read(store.ids[0]).frames.shape[2:4]
    side_px = side_px_of(size_px, side)
    for index, id in enumerate(tqdm(store.ids, desc="tracks", unit="episode", disable=None)):
        for view, film in enumerate(store.read(id).frames):
            found += [(index, view, *track) for track in _in_film(film, frames, side_px)]
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


def mined(store: EpisodeStore, frames: int, side: float) -> Tracks:
    """Mine a store's tracks, or return those that were mined of the last ones."""
    return _mined(store.root, store.ids, store.digest(), frames, side)


@lru_cache(maxsize=2)
def _mined(root: Path, ids: tuple[str, ...], _digest: str, frames: int, side: float) -> Tracks:
    return mine(EpisodeStore(root).subset(ids), frames, side)


def side_px_of(size_px: Sequence[int], side: float) -> int:
    """Return the side of patches that are `side` of the shorter one of pictures (H, W)."""
    return max(4, round(side * min(size_px)))


class _Field(NamedTuple):
    """Flow of successive frames, and which of their pixels move beside the camera."""

    flow: np.ndarray
    """float32 (T, H, W, 2)."""
    moves: np.ndarray
    """bool (T, H, W)."""

    def part(self, start: int, end: int) -> _Field:
        return _Field(self.flow[start:end], self.moves[start:end])

    def turned(self) -> _Field:
        return _Field(self.flow[::-1], self.moves[::-1])


def _in_film(film: np.ndarray, frames: int, side_px: int) -> Iterator[tuple[int, _Path]]:
    """Yield the tracks of one view, (T, H, W, 3): the first frame, and the corners in each. A long film is looked at
    in parts, which overlap by a track's length.
    """
    stride = max(1, frames // 4)
    part = stride * max(1, _PART // stride)
    for begin in range(0, len(film) - 1, part):
        there, back = _fields(film[begin : begin + part + frames])
        for start in range(0, min(part, len(there.flow)), stride):
            for path in _followed(there.part(start, start + frames - 1), back.part(start, start + frames - 1), side_px):
                yield begin + start, path


def _fields(film: np.ndarray) -> tuple[_Field, _Field]:
    """Return the field from each frame to the next, and from that back. Flow spills over from what moves: a pixel moves
    where it also changes.
    """
    change = np.abs(np.diff(film.mean(3, dtype=np.float32), axis=0))
    changes = np.stack([cv2.blur(one, (3, 3)) >= _CHANGE for one in change])
    least_px = _MOVING * min(film.shape[1:3])
    both = np.stack(list(flows(film))), np.stack(list(flows(film[::-1])))[::-1]
    there, back = (_Field(flow, changes & (speeds_px(flow) > least_px)) for flow in both)
    return there, back


def _followed(there: _Field, back: _Field, side_px: int) -> Iterator[_Path]:
    """Yield the tracks that begin with a field: the corners in each frame."""
    for corner in _places(speeds_px(there.flow[0]) * there.moves[0], there.moves[0], side_px):
        path = _path(there, corner, side_px)
        while len(path) >= LEAST:
            returned = _path(back.part(0, len(path) - 1).turned(), path[-1], side_px)
            if len(returned) == len(path) and math.dist(returned[-1], corner) <= side_px / 4:
                if math.dist(corner, path[-1]) >= side_px / 4:
                    yield path
                break
            path = path[: len(path) // 2]


def _places(amount: np.ndarray, moving: np.ndarray, side_px: int) -> list[tuple[int, int]]:
    """Return the corners of up to four squares apart from each other, where most moves."""
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


def _path(field: _Field, corner: tuple[int, int], side_px: int) -> _Path:
    """Follow a square: its corner in each frame until it leaves the picture."""
    at, path = np.array(corner, float), [corner]
    most = np.array(field.moves.shape[1:]) - side_px
    for flow, moves in zip(field.flow, field.moves, strict=True):
        row, column = path[-1]
        inside = np.s_[row : row + side_px, column : column + side_px]
        if (moved := flow[inside][moves[inside]]).size:
            at += np.median(moved, axis=0)[::-1]
        if (at < -0.5).any() or (at > most + 0.5).any():
            break
        path.append(tuple(np.rint(at).astype(int).clip(0, most).tolist()))
    return path
