"""Regression of the true state: what labels would buy, a baseline that no method without them is asked to reach."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.heads import PositionHead, channels_of
from sslctrl.objective import Loss
from sslctrl.sampling import random_frames


class Supervised(Embedding):
    """The embedding is the prediction of some columns of the true state, each standardised: mean squared error."""

    def __init__(
        self,
        backbone: nn.Module,
        columns: tuple[int, ...] = (0, 1),
        points: int = 32,
        hidden: int = 128,
        batch: int = 128,
        cameras: tuple[str, ...] = (),
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, len(columns), size_px)
        if min(columns) < 0 or batch < 2:
            raise InputError(f"columns are {columns}, batch is {batch}; allowed are 0 or more and 2 or more")
        self.head = PositionHead(channels_of(backbone), points, hidden, self.dim)
        self.standard = nn.BatchNorm1d(self.dim, affine=False)
        self.columns, self.batch, self.cameras = columns, batch, cameras

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames of all episodes, each from one of `cameras`."""
        return random_frames(layout, rng, self.batch, self.cameras)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the mean squared error of all frames of the clips; `rng` is not used. Raises InputError where the
        video has no such columns.
        """
        images = self.images(clips).flatten(0, 2)
        known = 0 if clips.state is None else clips.state.shape[-1]
        if clips.state is None or max(self.columns) >= known:
            raise InputError(f"columns are {self.columns}; this video's states have {known}; name some of them")
        wanted = self.standard(clips.state[..., list(self.columns)].flatten(0, 2).to(self.device))
        value = (self.encode(images) - wanted).square().mean()
        return Loss(value, {"mse": value.detach()})

    def encode(self, images: Tensor) -> Tensor:
        """Return the predicted columns (N, D), standardised."""
        return self.head(self.backbone(images)).float()
