"""From a pick to clips: what it names is checked, then copied byte for byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import DataError, InputError

if TYPE_CHECKING:
    from torch import Tensor


def check_pick(pick: Pick, layout: Layout) -> None:
    """Raise InputError, naming the field, unless every index of the pick lies in the store."""
    given = {"episode": pick.episode, "view": pick.view, "step": pick.step}
    for name, index in (given if pick.label is None else given | {"label": pick.label}).items():
        if not isinstance(index, np.ndarray):
            raise InputError(f"the pick's {name} is a {type(index).__name__}; allowed is a NumPy array; convert it")
    episode, view, step = given.values()
    shapes = f"episode {episode.shape}, view {view.shape}, step {step.shape}"
    if episode.ndim != 1 or view.shape[:1] != episode.shape or view.ndim != 2 or step.shape[:2] != view.shape:
        raise InputError(f"the pick has {shapes}; allowed are (B,), (B, V), (B, V, T); mend the sampler's shapes")
    if step.ndim != 3 or not step.size:
        raise InputError(f"the pick has {shapes}; allowed are (B,), (B, V), (B, V, T), none empty; mend the sampler")
    for name, index in given.items():
        if index.dtype.kind not in "iu" or not np.can_cast(index.dtype, np.int64):
            raise InputError(f"the pick's {name} is {index.dtype}; allowed are integers; convert it with astype(int)")
    if pick.label is not None and (pick.label.shape[:1] != episode.shape or pick.label.dtype.kind not in "iu"):
        raise InputError(f"the pick's label is {pick.label.dtype} {pick.label.shape}; allowed are integers (B, ...)")
    _check_range("episode", episode, len(layout.lengths))
    _check_range("view", view, layout.views)
    _check_range("step", step, layout.lengths[episode][:, None, None])


class Vectors(NamedTuple):
    """One of action, proprio and state of all episodes, end to end: a hundredth of what their frames take."""

    values: np.ndarray
    """float32 (N, S)."""
    first: np.ndarray
    """int (E,): the row where each episode begins."""
    last: np.ndarray
    """int (E,): the row where it ends."""

    @classmethod
    def joined(cls, arrays: Sequence[np.ndarray], name: str) -> Vectors:
        """Join the episodes' own (T, S). Raises DataError where S differs."""
        _same_size({array.shape[1:] for array in arrays}, name)
        ends = np.cumsum([len(array) for array in arrays])
        return cls(np.concatenate(arrays), np.concatenate([[0], ends[:-1]]), ends - 1)

    def at(self, pick: Pick) -> Tensor | None:
        """Return float32 (B, V, T, S), the episode's last beyond its end; None where S is 0."""
        import torch

        if not self.values.shape[1]:
            return None
        first, last = (rows[pick.episode][:, None, None] for rows in (self.first, self.last))
        return torch.from_numpy(self.values.take(np.minimum(first + pick.step, last), axis=0))


class FrameBytes(NamedTuple):
    """One episode's frames as a plain buffer: a batch copies slices of it."""

    data: memoryview
    """bytes, V x (T+1) frames end to end."""
    size: tuple[int, ...]
    """Of a frame: (H, W, 3) of a picture, (H, W, 2) of depth."""

    @classmethod
    def of(cls, frames: np.ndarray) -> FrameBytes:
        """View uint8 (V, T+1, H, W, C), mapped or in memory, as bytes."""
        return cls(np.ascontiguousarray(frames).data.cast("B"), frames.shape[2:])


def gather(
    films: Mapping[int, FrameBytes],
    pick: Pick,
    lengths: np.ndarray,
    vectors: Mapping[str, Vectors],
    success: np.ndarray,
) -> Clips:
    """Copy what a checked pick names into tensors: from the films of the episodes picked, the rest from all episodes'.

    Lengths are int (E,), success bool (E,). Raises DataError where the films' sizes differ.
    """
    import torch  # recording opens stores too, and must not need torch

    lengths = lengths[pick.episode]
    first = _frames(films, pick.episode, pick.view[:, 0] * lengths) if pick.context else None
    return Clips(
        frames=_channels_first(_frames(films, pick.episode, _rows(pick, lengths))),
        action=vectors["action"].at(pick),
        proprio=vectors["proprio"].at(pick),
        state=vectors["state"].at(pick),
        success=torch.from_numpy(success[pick.episode]),
        context=None if first is None else _channels_first(first),
        label=None if pick.label is None else torch.from_numpy(pick.label.astype(np.int64)),
    )


def gather_depth(films: Mapping[int, FrameBytes], pick: Pick, lengths: np.ndarray) -> Tensor:
    """Copy the depth of a checked pick's frames: float32 (B, V, T, H, W), metres."""
    import torch

    millimetres = _frames(films, pick.episode, _rows(pick, lengths[pick.episode])).view(np.uint16)[..., 0]
    return torch.from_numpy(millimetres.astype(np.float32) / 1000)


def _rows(pick: Pick, lengths: np.ndarray) -> np.ndarray:
    """Return where in its episode's film each frame is: int (B, V, T); lengths (B,)."""
    return pick.view[..., None] * lengths[:, None, None] + pick.step


def _frames(films: Mapping[int, FrameBytes], episode: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Gather the frames at (B, ...) of each episode's film: uint8 (B, ..., H, W, 3).

    As slices of plain buffers: an index array an episode copies everything twice, and takes longer to set up.
    """
    size = _same_size({film.size for film in films.values()}, "frames")
    width = math.prod(size)
    starts = (at * width).reshape(len(at), -1).tolist()
    sources = [films[index].data for index in episode.tolist()]
    slices = [film[a : a + width] for film, row in zip(sources, starts, strict=True) for a in row]
    return np.frombuffer(bytearray().join(slices), np.uint8).reshape(*at.shape, *size)


def _same_size(sizes: set[tuple[int, ...]], name: str) -> tuple[int, ...]:
    if len(sizes) > 1:
        raise DataError(
            f"the episodes have {name} of sizes {sorted(sizes)}; allowed is one size; use subset() to part them"
        )
    return next(iter(sizes))


def _channels_first(frames: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(frames).movedim(-1, -3)


def _check_range(name: str, index: np.ndarray, end: int | np.ndarray) -> None:
    if (index < 0).any() or (index >= end).any():
        raise InputError(
            f"the pick's {name} runs from {index.min()} to {index.max()}; allowed are 0 to {np.min(end) - 1} "
            "(of the shortest episode picked); mend the sampler"
        )
