"""Time-contrastive network, multi-view (Sermanet et al. 2018, arXiv 1704.06888, section 3.1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.augment import augment
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.heads import PositionHead, channels_of
from sslctrl.losses.npairs import npairs
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.objective import Loss, to_float
from sslctrl.sampling import camera_indices
from sslctrl.store import EpisodeStore
from sslctrl.two_views import noise_metric


class Tcn(Embedding):
    """Two cameras' frames of the same moment attract, other moments of the SAME episode repel.

    Losses: `npairs` on unnormalised embeddings, with `l2` times their squared norms; `triplet`, semi-hard, on
    normalised ones, with `margin` between squared distances. Both directions: each view is the anchor once.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 32,
        points: int = 32,
        hidden: int = 128,
        loss: Literal["npairs", "triplet"] = "npairs",
        l2: float = 0.002,
        margin: float = 0.2,
        steps_per_batch: int = 50,
        cameras: tuple[str, ...] = (),
        augment: bool = True,
        whiten: bool = False,
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px)
        self.head = PositionHead(channels_of(backbone), points, hidden, dim)
        self.kind, self.l2, self.margin = loss, l2, margin
        self.steps_per_batch = steps_per_batch
        self.cameras = cameras
        self.augmented = augment
        self.whiten = whiten

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick one episode, two different cameras, and up to `steps_per_batch` different steps, the same in both views.

        One pair of cameras for the whole batch: every anchor's negatives then come from the positive's own camera, so
        that which camera took a frame tells nothing about which of them is the positive. Raises InputError for unknown
        cameras.
        """
        cameras = camera_indices(layout, self.cameras, at_least=2)
        usable = np.flatnonzero(layout.lengths >= 2)
        if not len(usable):
            raise InputError(
                "no episode has 2 frames or more; a TCN contrasts moments of one episode; record longer ones"
            )
        episode = rng.choice(usable, size=1)
        view = rng.choice(cameras, size=2, replace=False)
        length = layout.lengths[episode[0]]
        step = np.sort(rng.choice(length, size=min(length, self.steps_per_batch), replace=False))
        return Pick(episode, view[None], np.broadcast_to(step, (1, 2, len(step))))

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the contrastive loss of clips with V = 2 views; each clip has its own negatives."""
        batch, views, frames = clips.frames.shape[:3]
        if views != 2 or frames < 2:
            raise InputError(f"the clips have {views} views of {frames} frames; allowed are 2 views of 2 or more")
        images = to_float(clips.frames, self.metric.device).flatten(0, 1)
        if self.augmented:
            images = augment(images, rng)
        first, second = self._raw(images.flatten(0, 1)).view(batch, 2, frames, self.dim).unbind(1)
        value = 0.5 * (self._one_way(first, second) + self._one_way(second, first))
        with torch.no_grad():
            hit = torch.cdist(first, second).argmin(-1) == torch.arange(frames, device=first.device)
            metrics = {"nearest_is_same_step": hit.float().mean(), "norm": first.norm(dim=-1).mean()}
        return Loss(value, metrics)

    def encode(self, images: Tensor) -> Tensor:
        """Return embeddings (N, D): unit vectors under the triplet loss; under the metric if `whiten`."""
        z = self._raw(images)
        z = nn.functional.normalize(z, dim=-1) if self.kind == "triplet" else z
        return self.project(z) if self.whiten else z

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        """Set the metric to the inverse covariance of what two views of one moment disagree on."""
        self.metric.copy_(torch.eye(self.dim))
        self.metric.copy_(noise_metric(self, store, self.cameras, rng))

    def _raw(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))

    def _one_way(self, anchors: Tensor, positives: Tensor) -> Tensor:
        if self.kind == "triplet":
            return semihard_triplet(anchors, positives, self.margin)
        return npairs(anchors, positives, self.l2)
