"""Patches of batched images, each from a place of its own, without a loop over images."""

from __future__ import annotations

import torch
from torch import Tensor


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
