"""Rotation prediction (Gidaris et al. 2018, arXiv 1803.07728)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sslctrl.heads import grid_head
from sslctrl.objective import Loss, classification
from vision.image_task import ImageTask

_TURNS = 4


class Turned(NamedTuple):
    """Images, and how they were turned."""

    images: Tensor
    """float (4N, 3, S, S)."""
    turns: Tensor
    """int (4N,): quarter turns counter-clockwise."""


class Rotation(ImageTask):
    """By how many quarter turns was the image rotated? All four rotations of every image are in the batch."""

    shows = "Above: images turned at random. Below: turned back by the angle that the net says."

    def __init__(self, backbone: nn.Module, batch: int = 32) -> None:
        super().__init__(backbone, batch)
        self.head = grid_head(backbone, _TURNS)

    def ask(self, images: Tensor, rng: torch.Generator) -> Turned:
        """Turn the largest squares, cut at one random place, by all four angles."""
        turned = quarter_turns(random_square(images, rng))
        return Turned(turned, torch.arange(_TURNS, device=images.device).repeat_interleave(len(images)))

    def judge(self, question: Turned) -> Loss:
        """Return the 4-way cross-entropy. Chance: log 4."""
        return classification(self.head(self.backbone(question.images)).float(), question.turns)

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return each image turned by an angle of its own, and below it turned back by the angle that the net says."""
        square = random_square(images, rng)
        turns = torch.randint(_TURNS, (len(square),), generator=rng, device=rng.device).tolist()
        turned = torch.stack([torch.rot90(one, by, (1, 2)) for one, by in zip(square, turns, strict=True)])
        said = self.head(self.backbone(turned)).argmax(1).tolist()
        back = torch.stack([torch.rot90(one, -by, (1, 2)) for one, by in zip(turned, said, strict=True)])
        return torch.stack([turned, back])


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
