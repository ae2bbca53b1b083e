"""Time-contrastive network, multi-view (Sermanet et al. 2018, arXiv 1704.06888, section 3.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.augment import DEFAULT, STILL, augment
from sslctrl.body import check_weight, coordinates
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError, check_least
from sslctrl.heads import PositionHead, channels_of
from sslctrl.objective import Loss
from sslctrl.slow_features import slow_features
from sslctrl.store import EpisodeStore
from sslctrl.time_contrast import LossName, TimeContrast, check_contrast, pick_views, same_step


class Tcn(Embedding):
    """Different cameras' frames of the same moment attract, other moments of the SAME episode repel.

    Losses: `npairs` on unnormalised embeddings, with `l2` times their squared norms; `triplet`, semi-hard, on
    normalised ones, with `margin` between squared distances. Every view is the anchor of every other: both directions.
    The paper's batch is 2 views of many steps; for as many frames, 4 views of half the steps learn faster, since they
    make 12 ordered pairs instead of 2.

    A robot's own body tells most moments of an episode apart, so that little else need be learned: of hand and puck,
    the puck is all but absent. With `body`, columns of the proprioception, `body_weight` of the loss is the same
    contrast of what they leave unexplained in the embedding (`sslctrl.body`); distances then show the puck, too.

    What the trained embedding changes by within `slow_s` seconds, a step at least, counts as noise to its slow features
    (`sslctrl.slow_features`): the longer, the less a hand weighs that moves all the time; the shorter, the better views
    align. 0 leaves the embedding as the loss made it.
    """

    readout: Tensor
    """float32 (D, D): from what the net gives to what `embed` returns; the identity until `finish`."""

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 32,
        points: int = 32,
        hidden: int = 128,
        loss: LossName = "npairs",
        l2: float = 0.002,
        margin: float = 0.2,
        views_per_batch: int = 2,
        steps_per_batch: int = 50,
        window: int = 0,
        body: tuple[int, ...] = (),
        body_weight: float = 0.7,
        cameras: tuple[str, ...] = (),
        augment: bool = True,
        hue: float = 0.0,
        slow_s: float = 1 / 6,
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px)
        self.head = PositionHead(channels_of(backbone), points, hidden, dim)
        if views_per_batch < 2 or steps_per_batch < 2:
            raise InputError(
                f"views_per_batch is {views_per_batch} and steps_per_batch {steps_per_batch}; "
                "allowed are 2 or more of each; change them"
            )
        if window and window < steps_per_batch:
            raise InputError(f"window is {window}; allowed are 0, the whole episode, or {steps_per_batch} or more")
        check_weight(body_weight)
        check_least(0, slow_s=slow_s)
        self.contrast = TimeContrast(loss, l2, margin)
        self.body, self.body_weight = body, body_weight
        self.views_per_batch = views_per_batch
        self.steps_per_batch = steps_per_batch
        self.window = window
        self.cameras = cameras
        self.strength = replace(DEFAULT if augment else STILL, hue=hue)
        self.slow_s = slow_s
        self.register_buffer("readout", torch.eye(dim))

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick one episode, up to `views_per_batch` cameras and `steps_per_batch` steps out of `window` in a row, the
        same in all of them.

        Raises InputError for unknown cameras, or where no episode has moments enough.
        """
        moments = np.minimum(layout.lengths, self.steps_per_batch)
        episode, view = pick_views(layout, self.cameras, self.views_per_batch, moments, len(self.body), rng)
        length = layout.lengths[episode[0]]
        window = min(length, self.window or length)
        first = rng.integers(length - window + 1)
        step = first + np.sort(rng.choice(window, size=min(window, self.steps_per_batch), replace=False))
        return Pick(episode, view[None], np.broadcast_to(step, (1, len(view), len(step))))

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the mean loss over all ordered pairs of different views; each clip and pair has its own negatives."""
        images = self.images(clips)
        batch, views, frames = images.shape[:3]
        check_contrast(views, frames)
        if self.strength != STILL:
            images = augment(images.flatten(0, 1), rng, self.strength)
        z = self._raw(images.reshape(-1, *images.shape[-3:])).float().view(batch, views, frames, self.dim)
        body = coordinates(clips, self.body).to(self.device) if self.body else None
        value = self.contrast.between_views(z, body, self.body_weight)
        return Loss(
            value, {"nearest_is_same_step": same_step(self.contrast.normal(z)), "norm": z.detach().norm(dim=-1).mean()}
        )

    def encode(self, images: Tensor) -> Tensor:
        """Return embeddings (N, D): unit vectors under the triplet loss, until `finish` turns them by `readout`."""
        return self.contrast.normal(self._raw(images)) @ self.readout.mT

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        """Read the embedding out by its slow features, unless `slow_s` is 0: distances then weigh what rarely moves."""
        self.readout.copy_(torch.eye(self.dim))
        if self.slow_s:
            self.readout.copy_(slow_features(self, store, self.cameras, self.slow_s, rng))

    def _raw(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))
