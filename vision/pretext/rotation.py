"""Rotation prediction (Gidaris et al. 2018, arXiv 1803.07728)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.heads import channels_of
from sslctrl.objective import Loss, Objective, to_float
from sslctrl.sampling import random_frames

_TURNS = 4


class Rotation(Objective):
    """By how many quarter turns was the image rotated? All four rotations of every image are in the batch."""

    def __init__(self, backbone: nn.Module, batch: int = 32) -> None:
        super().__init__()
        if batch < 1:
            raise InputError(f"batch is {batch}; allowed is 1 or more; change it")
        self.backbone = backbone
        self.batch = batch
        # 4 x 4 places: a mean over the whole map would forget where the features are
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels_of(backbone), _TURNS))

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames of all episodes and cameras."""
        return random_frames(layout, rng, self.batch)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the 4-way cross-entropy over all rotations of all frames of the clips. Chance: log 4."""
        device = next(self.head.parameters()).device
        images = quarter_turns(random_square(to_float(clips.frames, device).flatten(0, 2), rng))
        logits = self.head(self.backbone(images)).float()
        labels = torch.arange(_TURNS, device=device).repeat_interleave(len(images) // _TURNS)
        accuracy = (logits.argmax(1) == labels).float().mean()
        return Loss(nn.functional.cross_entropy(logits, labels), {"accuracy": accuracy})


def quarter_turns(images: Tensor) -> Tensor:
    """Return square images (N, 3, S, S) turned by 0, 90, 180 and 270 degrees counter-clockwise, in this order: (4N, 3,
    S, S).

    Exact: pixels are moved, never interpolated, so that no artefact tells the angle.
    """
    return torch.cat([torch.rot90(images, turns, (2, 3)) for turns in range(_TURNS)])


def random_square(images: Tensor, rng: torch.Generator) -> Tensor:
    """Cut the largest square from images (N, 3, H, W), the same random place in all: (N, 3, S, S), S = min(H, W)."""
    height, width = images.shape[2:]
    side = min(height, width)
    offset = int(torch.randint(max(height, width) - side + 1, (), generator=rng, device=rng.device))
    top, left = (offset, 0) if height > width else (0, offset)
    return images[:, :, top : top + side, left : left + side]
