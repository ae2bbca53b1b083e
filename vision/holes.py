"""Holes in batched images, without a loop over images (Pathak et al. 2016, arXiv 1604.07379, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_BLOCKS = 4
_NOISE_SIDE = 4
_BAND = 1 / 32  # 7 of 227 px


def mean_filled(images: Tensor, holes: Tensor) -> Tensor:
    """Paint each image's holes in the mean colour of its other pixels, so that nothing of what was there is left."""
    seen = (~holes).sum((2, 3), keepdim=True).clamp_min(1)
    return torch.where(holes, images.masked_fill(holes, 0).sum((2, 3), keepdim=True) / seen, images)


def widened(holes: Tensor) -> Tensor:
    """Add the band around the holes, 1/32 of the image's side: bool (N, 1, H, W)."""
    reach = max(1, round(_BAND * min(holes.shape[2:])))
    return functional.max_pool2d(holes.float(), 2 * reach + 1, stride=1, padding=reach).bool()


def center(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return a hole of half the height and width in the middle of each image: bool (N, 1, H, W). Nothing is drawn."""
    height, width = images.shape[2:]
    holes = torch.zeros_like(images[:, :1], dtype=torch.bool)
    holes[:, :, height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2] = True
    return holes


def blocks(images: Tensor, rng: torch.Generator) -> Tensor:
    """Draw four rectangles an image, sides 1/8 to 1/4 of its own, which may overlap: bool (N, 1, H, W)."""
    rows, columns = (_spans((len(images), _BLOCKS), side, rng) for side in images.shape[2:])
    return (rows[..., None] & columns[:, :, None]).any(1, keepdim=True)


def _spans(count: tuple[int, int], side: int, rng: torch.Generator) -> Tensor:
    """Draw stretches of 1/8 to 1/4 of a side: bool (*count, side)."""
    length = torch.randint(side // 8, side // 4 + 1, count, generator=rng, device=rng.device)
    start = (torch.rand(count, generator=rng, device=rng.device) * (side - length + 1)).long()
    at = torch.arange(side, device=rng.device)
    return (at >= start[..., None]) & (at < (start + length)[..., None])


def regions(images: Tensor, rng: torch.Generator) -> Tensor:
    """Draw smooth noise, and take its highest quarter in each image: bool (N, 1, H, W), shapes of any kind."""
    noise = torch.randn(len(images), 1, _NOISE_SIDE, _NOISE_SIDE, generator=rng, device=rng.device)
    smooth = functional.interpolate(noise, images.shape[2:], mode="bicubic")
    rest = smooth.flatten(1).kthvalue(smooth[0].numel() * 3 // 4).values
    return smooth > rest.view(-1, 1, 1, 1)
