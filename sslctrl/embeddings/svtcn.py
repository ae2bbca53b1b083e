"""Time-contrastive network, single view (Sermanet et al. 2018, arXiv 1704.06888, section 3.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.augment import DEFAULT, STILL, augment
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.heads import PositionHead, channels_of
from sslctrl.objective import Loss
from sslctrl.sampling import camera_indices
from sslctrl.time_contrast import LossName, TimeContrast, nearest_is_own


class SvTcn(Embedding):
    """Moments within `positive_s` of each other (to the nearest step, one at the least) attract, those of the same
    video twice as far apart and more repel.

    One camera's video is enough. Where there are more, each is a video of its own: nothing ties one to another. Losses
    as in `Tcn`. Anchor and positive are augmented differently, or the background alone would pair them.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 32,
        points: int = 32,
        hidden: int = 128,
        loss: LossName = "npairs",
        l2: float = 0.002,
        margin: float = 0.2,
        positive_s: float = 0.2,
        videos_per_batch: int = 4,
        pairs_per_video: int = 18,
        cameras: tuple[str, ...] = (),
        augment: bool = True,
        hue: float = 0.0,
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px)
        if videos_per_batch < 1 or pairs_per_video < 2 or not 0 < positive_s < float("inf"):
            raise InputError(
                f"videos_per_batch is {videos_per_batch}, pairs_per_video {pairs_per_video}, positive_s {positive_s}; "
                "allowed are 1 or more, 2 or more, and above 0; change them"
            )
        self.head = PositionHead(channels_of(backbone), points, hidden, dim)
        self.contrast = TimeContrast(loss, l2, margin)
        self.positive_s = positive_s
        self.videos_per_batch, self.pairs_per_video = videos_per_batch, pairs_per_video
        self.cameras = cameras
        self.strength = replace(DEFAULT if augment else STILL, hue=hue)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick videos, and of each as many anchors as fit, up to `pairs_per_video`; behind them, their positives.

        Anchors keep so far apart, 3 r + 1 steps, r being `positive_s`, that every other pair's positive is further than
        2 r from them. Positives lie within r of their anchors and are never the anchors themselves. Raises InputError
        where no episode holds two pairs.
        """
        cameras = camera_indices(layout, self.cameras)
        reach = np.maximum(1, np.rint(self.positive_s / np.broadcast_to(layout.dt_s, layout.lengths.shape))).astype(int)
        gap = 3 * reach + 1
        usable = np.flatnonzero(layout.lengths > gap)
        if not len(usable):
            raise InputError(
                f"the longest episode has {layout.lengths.max()} frames; allowed are {gap.min() + 1} or more where "
                f"positives are {reach.min()} steps away; record longer ones, or lower positive_s"
            )
        episode = rng.choice(usable, size=self.videos_per_batch)
        pairs = min(self.pairs_per_video, int(((layout.lengths[episode] - 1) // gap[episode]).min()) + 1)
        each = zip(*(of[episode].tolist() for of in (layout.lengths, reach, gap)), strict=True)
        step = np.stack([_pairs(length, pairs, near, apart, rng) for length, near, apart in each])
        return Pick(episode, rng.choice(cameras, size=(len(episode), 1)), step[:, None])

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of clips whose first half of frames are anchors and whose second half are their positives."""
        images = self.images(clips)
        batch, views, frames = images.shape[:3]
        if frames < 4 or frames % 2:
            raise InputError(f"the clips have {frames} frames; allowed are 4 or more, anchors first, then positives")
        halves = images.unflatten(2, (2, frames // 2)).flatten(0, 2)
        if self.strength != STILL:
            halves = augment(halves, rng, self.strength)
        z = self._raw(halves.flatten(0, 1)).float().view(batch * views, 2, frames // 2, self.dim)
        anchors, positives = z.unbind(1)
        nearest = nearest_is_own(*map(self.contrast.normal, (anchors, positives)))
        metrics = {"nearest_is_positive": nearest, "norm": z.detach().norm(dim=-1).mean()}
        return Loss(self.contrast(anchors, positives), metrics)

    def encode(self, images: Tensor) -> Tensor:
        """Return embeddings (N, D): unit vectors under the triplet loss."""
        return self.contrast.normal(self._raw(images))

    def _raw(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def _pairs(length: int, count: int, reach: int, gap: int, rng: np.random.Generator) -> np.ndarray:
    """Return the steps of `count` anchors, `gap` or more apart, and of their positives: int (2 * count,)."""
    room = length - (count - 1) * (gap - 1)  # any such anchors are different steps of a video this much shorter
    anchors = np.sort(rng.choice(room, size=count, replace=False)) + np.arange(count) * (gap - 1)
    low, high = np.maximum(anchors - reach, 0), np.minimum(anchors + reach, length - 1)
    positives = rng.integers(low, high)  # one fewer than there are: the anchor itself is jumped over
    return np.concatenate([anchors, positives + (positives >= anchors)])
