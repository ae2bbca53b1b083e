"""From a pick to clips: one gather for each episode that the batch touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sslctrl.clips import Clips, Episode, Layout, Pick
from sslctrl.errors import DataError, InputError

if TYPE_CHECKING:
    from torch import Tensor


class Share(NamedTuple):
    """One episode's part of a batch."""

    episode: Episode
    rows: np.ndarray
    """int: the batch's rows that it fills."""


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


def share_out(pick: Pick) -> list[tuple[int, np.ndarray]]:
    """Return each picked episode's index and the rows of the batch that it fills."""
    episodes, inverse, counts = np.unique(pick.episode, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    return [(int(episode), part) for episode, part in zip(episodes, rows, strict=True)]


def gather(shares: Sequence[Share], pick: Pick) -> Clips:
    """Copy what a checked pick names into tensors. Raises DataError where the episodes differ in their sizes."""
    import torch  # recording opens stores too, and must not need torch

    vectors = {name: _vectors(shares, name, pick.step) for name in ("action", "proprio", "state")}
    success = np.zeros(len(pick.episode), dtype=bool)
    for episode, rows in shares:
        success[rows] = episode.meta["success"]
    first = _frames(shares, pick.view[:, 0], np.zeros_like(pick.view[:, 0])) if pick.context else None
    return Clips(
        frames=_channels_first(_frames(shares, np.broadcast_to(pick.view[..., None], pick.step.shape), pick.step)),
        **{name: None if values is None else torch.from_numpy(values) for name, values in vectors.items()},
        success=torch.from_numpy(success),
        context=None if first is None else _channels_first(first),
    )


def _frames(shares: Sequence[Share], view: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Gather frames: view and step (B, ...) -> uint8 (B, ..., H, W, 3)."""
    size = _same_size(shares, "frames", 2)
    out = np.empty((*step.shape, *size), np.uint8)
    for episode, rows in shares:
        out[rows] = episode.frames[view[rows], step[rows]]
    return out


def _vectors(shares: Sequence[Share], name: str, step: np.ndarray) -> np.ndarray | None:
    """Gather state, proprio or action, the last action at the end: float32 (B, V, T, S); None where there is none."""
    size = _same_size(shares, name, 1)
    if 0 in size:
        return None
    out = np.empty((*step.shape, *size), np.float32)
    for episode, rows in shares:
        values = getattr(episode, name)
        out[rows] = values[np.minimum(step[rows], len(values) - 1)]
    return out


def _same_size(shares: Sequence[Share], name: str, skip: int) -> tuple[int, ...]:
    sizes = {getattr(share.episode, name).shape[skip:] for share in shares}
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
