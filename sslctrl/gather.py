"""From a pick to clips: what it names is checked, then copied byte for byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sslctrl.clips import Clips, Episode, Layout, Pick
from sslctrl.errors import DataError, InputError

if TYPE_CHECKING:
    from torch import Tensor


def check_pick(pick: Pick, layout: Layout) -> None:
    """Raise InputError, naming the field, unless every index of the pick lies in the store."""
    episode, view, step = (np.asarray(index) for index in pick[:3])
    shapes = f"episode {episode.shape}, view {view.shape}, step {step.shape}"
    if episode.ndim != 1 or view.shape[:1] != episode.shape or view.ndim != 2 or step.shape[:2] != view.shape:
        raise InputError(f"the pick has {shapes}; allowed are (B,), (B, V), (B, V, T); mend the sampler's shapes")
    if step.ndim != 3 or not step.size:
        raise InputError(f"the pick has {shapes}; allowed are (B,), (B, V), (B, V, T), none empty; mend the sampler")
    for name, index in (("episode", episode), ("view", view), ("step", step)):
        if index.dtype.kind not in "iu":
            raise InputError(f"the pick's {name} is {index.dtype}; allowed are integers; convert it with astype(int)")
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
        _same_size(arrays, name, 1)
        ends = np.cumsum([len(array) for array in arrays])
        return cls(np.concatenate(arrays), np.concatenate([[0], ends[:-1]]), ends - 1)

    def at(self, pick: Pick) -> Tensor | None:
        """Return float32 (B, V, T, S), the episode's last beyond its end; None where S is 0."""
        import torch

        if not self.values.shape[1]:
            return None
        first, last = (rows[pick.episode][:, None, None] for rows in (self.first, self.last))
        return torch.from_numpy(self.values.take(np.minimum(first + pick.step, last), axis=0))


def gather(episodes: Sequence[Episode], which: np.ndarray, pick: Pick, vectors: Mapping[str, Vectors]) -> Clips:
    """Copy what a checked pick names into tensors; row i of the batch is of episodes[which[i]].

    `vectors` are those of the whole store, by name. Raises DataError where the frames' sizes differ.
    """
    import torch  # recording opens stores too, and must not need torch

    videos = [episode.frames for episode in episodes]
    first = _frames(videos, which, pick.view[:, 0], np.zeros_like(pick.view[:, 0])) if pick.context else None
    return Clips(
        frames=_channels_first(_frames(videos, which, pick.view[..., None], pick.step)),
        **{name: one.at(pick) for name, one in vectors.items()},
        success=torch.from_numpy(np.array([episode.meta["success"] for episode in episodes], bool)[which]),
        context=None if first is None else _channels_first(first),
    )


def _frames(videos: Sequence[np.ndarray], which: np.ndarray, view: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Gather frames: videos (V, T+1, H, W, 3), view and step (B, ...) -> uint8 (B, ..., H, W, 3).

    As bytes between plain buffers: an index array an episode copies everything twice, and takes longer to set up.
    """
    size = _same_size(videos, "frames", 2)
    width = math.prod(size)
    lengths = np.array([video.shape[1] for video in videos])[which].reshape(-1, *[1] * (step.ndim - 1))
    starts = ((view * lengths + step) * width).reshape(len(which), -1).tolist()
    sources = [np.ascontiguousarray(video).data.cast("B") for video in videos]
    out = np.empty((*step.shape, *size), np.uint8)
    target, end = out.data.cast("B"), 0
    for row, frames in zip(which.tolist(), starts, strict=True):
        source = sources[row]
        for start in frames:
            target[end : end + width] = source[start : start + width]
            end += width
    return out


def _same_size(arrays: Sequence[np.ndarray], name: str, skip: int) -> tuple[int, ...]:
    sizes = {array.shape[skip:] for array in arrays}
    if len(sizes) > 1:
        raise DataError(
            f"the episodes have {name} of sizes {sorted(sizes)}; allowed is one size; use subset() to part them"
        )
    return sizes.pop()


def _channels_first(frames: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(frames).movedim(-1, -3)


def _check_range(name: str, index: np.ndarray, end: int | np.ndarray) -> None:
    if (index < 0).any() or (index >= end).any():
        raise InputError(
            f"the pick's {name} runs from {index.min()} to {index.max()}; allowed are 0 to {np.min(end) - 1} "
            "(of the shortest episode picked); mend the sampler"
        )
