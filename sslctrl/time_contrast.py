"""What the time-contrastive embeddings share: the loss, on one view or between views, and the choice of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sslctrl.body import least_moments, unexplained
from sslctrl.clips import Layout
from sslctrl.errors import InputError, check_among, check_least
from sslctrl.losses.npairs import npairs
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.sampling import camera_indices

LossName = Literal["npairs", "triplet"]


@dataclass(frozen=True)
class TimeContrast:
    """`npairs` on unnormalised embeddings, with `l2` times their squared norms; `triplet`, semi-hard, on normalised
    ones, with `margin` between squared distances.
    """

    loss: LossName
    l2: float
    margin: float

    def __post_init__(self) -> None:
        check_among(get_args(LossName), loss=self.loss)
        check_least(0, l2=self.l2, margin=self.margin)

    def __call__(self, anchors: Tensor, positives: Tensor) -> Tensor:
        """Return the loss of (..., N, D) and (..., N, D): row i of the one belongs to row i of the other, and to no
        other row; the leading axes share no negatives.
        """
        if self.loss == "triplet":
            return semihard_triplet(anchors, positives, self.margin)
        return npairs(anchors, positives, self.l2)

    def between_views(self, z: Tensor, body: Tensor | None = None, share: float = 0.0) -> Tensor:
        """Return the mean loss over all ordered pairs of different views of z (B, V, N, D).

        With the body's coordinates (B, 1, N, K), `share` of it is the same loss on what they leave unexplained of z.
        """
        value = self(*_pairs_of_views(z))
        if body is None:
            return value
        return (1 - share) * value + share * self(*_pairs_of_views(unexplained(z, body)))

    def normal(self, z: Tensor) -> Tensor:
        """Return embeddings (N, D) as the loss compares them: unit vectors under the triplet loss."""
        return functional.normalize(z, dim=-1) if self.loss == "triplet" else z


def same_step(z: Tensor) -> Tensor:
    """Return how often a moment's nearest neighbour in another view is itself: z (B, V, N, D) -> a share of 1."""
    return nearest_is_own(*_pairs_of_views(z))


@torch.no_grad()
def nearest_is_own(anchors: Tensor, positives: Tensor) -> Tensor:
    """Return how often an anchor's nearest positive is its own: (..., N, D) each -> a share of 1."""
    hit = torch.cdist(anchors, positives).argmin(-1) == torch.arange(anchors.shape[-2], device=anchors.device)
    return hit.float().mean()


def pick_views(
    layout: Layout, cameras: Sequence[str], count: int, moments: np.ndarray, columns: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Pick one episode with moments enough, (1,), and up to `count` different cameras, (V,).

    moments: int (E,), how many of each episode a batch would have; columns: of the body, which may explain some. The
    same cameras for every step: an anchor's negatives then come from its positive's own camera, so that which camera
    took a frame tells nothing of whether it is the positive. Raises InputError for unknown cameras, fewer than two, or
    where no episode is long enough.
    """
    allowed = camera_indices(layout, cameras, at_least=2)
    least = least_moments(columns)
    usable = np.flatnonzero(moments >= least)
    if not len(usable):
        raise InputError(
            f"a batch would have {moments.max(initial=0)} moments of one episode; with {columns} columns of the body "
            f"allowed are {least} or more; record longer episodes, or take more moments of each, or fewer columns"
        )
    return rng.choice(usable, size=1), rng.choice(allowed, size=min(len(allowed), count), replace=False)


def check_contrast(views: int, moments: int) -> None:
    """Raise InputError unless there are two views or more of two moments or more."""
    if views < 2 or moments < 2:
        raise InputError(f"the clips have {views} views of {moments} frames; allowed are 2 or more of 2 or more")


def _pairs_of_views(z: Tensor) -> tuple[Tensor, Tensor]:
    of_anchor, of_positive = (~torch.eye(z.shape[1], dtype=torch.bool)).nonzero().unbind(1)
    return z[:, of_anchor], z[:, of_positive]
