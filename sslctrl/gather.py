"""From a pick to clips: what it names is checked, then copied byte for byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def gather(episodes: Sequence[Episode], which: np.ndarray, pick: Pick) -> Clips:
    """Copy what a checked pick names into tensors; row i of the batch is of episodes[which[i]].

    Raises DataError where the episodes differ in their sizes.
    """
    import torch  # recording opens stores too, and must not need torch

    vectors = {
        name: _vectors([getattr(episode, name) for episode in episodes], name, which, pick.step)
        for name in ("action", "proprio", "state")
    }
    videos = [episode.frames for episode in episodes]
    first = _frames(videos, which, pick.view[:, 0], np.zeros_like(pick.view[:, 0])) if pick.context else None
    return Clips(
        frames=_channels_first(_frames(videos, which, pick.view[..., None], pick.step)),
        **{name: None if values is None else torch.from_numpy(values) for name, values in vectors.items()},
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


def _vectors(arrays: Sequence[np.ndarray], name: str, which: np.ndarray, step: np.ndarray) -> np.ndarray | None:
    """Gather state, proprio or action, the last action at the end: float32 (B, V, T, S); None where there is none."""
    size = _same_size(arrays, name, 1)
    if 0 in size:
        return None
    lengths = np.array([len(array) for array in arrays])
    starts = np.cumsum(lengths) - lengths
    index = starts[which, None, None] + np.minimum(step, lengths[which, None, None] - 1)
    return np.concatenate(arrays).take(index, axis=0)  # they are small: joining whole episodes beats many small reads


def _same_size(arrays: Sequence[np.ndarray], name: str, skip: int) -> tuple[int, ...]:
    sizes = {array.shape[skip:] for array in arrays}
    if len(sizes) > 1:
        raise DataError(
            f"the batch's episodes have {name} of sizes {sorted(sizes)}; "
            "allowed is one size a store; use subset() to part them"
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
