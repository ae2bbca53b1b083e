"""Patches of batched images, each from a place of its own, without a loop over images; and how nets answer for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError, check_least
from sslctrl.heads import grid_head

ROWS = 3
"""Rows and columns of a `Grid`."""
_LEAST_PX = 4


def cut(images: Tensor, top: Tensor, left: Tensor, size_px: int) -> Tensor:
    """Return the squares whose upper left corners are at rows `top` and columns `left`, int (N, P) each, of images (N,
    C, H, W): (N, P, C, size_px, size_px). Pixels are copied, never interpolated.
    """
    offsets = torch.arange(size_px, device=images.device)
    rows = (top[..., None] + offsets)[:, :, None, :, None]
    columns = (left[..., None] + offsets)[:, :, None, None, :]
    number = torch.arange(len(images), device=images.device)[:, None, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, None, :, None, None]
    return images[number, channel, rows, columns]


def jitter(count: tuple[int, ...], most_px: int, rng: torch.Generator) -> Tensor:
    """Draw shifts from -most_px to most_px: int64, of shape `count`."""
    return torch.randint(-most_px, most_px + 1, count, generator=rng, device=rng.device)


@dataclass(frozen=True)
class Grid:
    """3 x 3 square patches that never overlap, the whole at a random place of each image, each shifted by itself.

    Raises InputError where the patches would overlap or not fit into an image.
    """

    patch: float
    """Side of a patch, as a fraction of the image's shorter side."""
    gap: float
    """Distance of neighbours before they are shifted, as a fraction of the patch's side."""
    jitter: float
    """Largest shift, along rows and along columns, as a fraction of the patch's side."""

    def __post_init__(self) -> None:
        span = self.patch * (ROWS + (ROWS - 1) * self.gap + 2 * self.jitter)
        if not (self.patch > 0 and 0 <= 2 * self.jitter <= self.gap and span <= 1):
            raise InputError(
                f"patch, gap, jitter are {self.patch:.3g}, {self.gap:.3g}, {self.jitter:.3g}, a grid {span:.3g} images "
                "wide; allowed is a jitter of at most half the gap in a grid at most 1 wide; lower them"
            )

    def patches(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Cut the patches of images (N, C, H, W), row by row: (N, 9, C, S, S)."""
        height, width = images.shape[2:]
        size_px = int(self.patch * min(height, width))
        gap_px = math.ceil(self.gap * size_px)
        most_px = min(math.ceil(self.jitter * size_px), gap_px // 2)
        span_px = ROWS * size_px + (ROWS - 1) * gap_px + 2 * most_px
        if size_px < _LEAST_PX or span_px > min(height, width) or (self.jitter and not most_px):
            raise InputError(
                f"images are {height} x {width}, the patches of their {ROWS} x {ROWS} grid {size_px} px and the grid "
                f"{span_px} px, shifted by {most_px} px; allowed are patches of {_LEAST_PX} px or more in a grid that "
                "fits, shifted by 1 px or more unless jitter is 0; give larger images"
            )
        cells = torch.arange(ROWS, device=images.device) * (size_px + gap_px) + most_px
        count = (len(images), ROWS * ROWS)
        top = _starts(len(images), height - span_px, rng) + cells.repeat_interleave(ROWS) + jitter(count, most_px, rng)
        left = _starts(len(images), width - span_px, rng) + cells.repeat(ROWS) + jitter(count, most_px, rng)
        return cut(images, top, left, size_px)


class LateFusion(nn.Module):
    """One FC that all patches share, and FC -> ReLU -> FC on those of a question side by side.

    Until then no patch knows of another: what tells them apart must be in the features of each.
    """

    def __init__(self, backbone: nn.Module, patches: int, hidden: int, classes: int) -> None:
        super().__init__()
        check_least(1, hidden=hidden)
        self.each = nn.Sequential(*grid_head(backbone, hidden), nn.ReLU())
        self.together = nn.Sequential(nn.Linear(patches * hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (N, classes), float32, of what `each` makes of the patches: (N, patches, hidden)."""
        return self.together(features.flatten(1)).float()


def mosaic(patches: Tensor, gap_px: int = 1) -> Tensor:
    """Lay patches (N, 9, 3, S, S) out as their grid, on white: (N, 3, h, w)."""
    framed = nn.functional.pad(patches, (0, gap_px, 0, gap_px), value=1.0).unflatten(1, (ROWS, ROWS))
    return framed.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)[..., :-gap_px, :-gap_px]


def _starts(count: int, room_px: int, rng: torch.Generator) -> Tensor:
    return torch.randint(room_px + 1, (count, 1), generator=rng, device=rng.device)
