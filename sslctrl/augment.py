"""Random crops, scales and colours of batched images, on their device, without a loop over images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from sslctrl.errors import InputError

_TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))  # NTSC 1953
_GREY = (0.299, 0.587, 0.114)  # luma of R, G, B (ITU-R BT.601)


@dataclass(frozen=True)
class Strength:
    """How far a view may be changed; every draw is uniform. 0 everywhere changes nothing."""

    shift: float = 0.06
    """Largest shift, as a fraction of the image's side."""
    scale: float = 0.08
    """Largest relative change of size: 0.1 is 0.9 to 1.1 times."""
    brightness: float = 0.15
    """Largest amount added to all pixels, which are in [0, 1]."""
    contrast: float = 0.2
    """Largest relative change of the distance from middle grey."""
    saturation: float = 0.3
    """Largest relative change of the distance from the pixel's own grey."""
    hue: float = 0.0
    """Largest turn of all hues, as a fraction of the full circle: at 0.5 an object may have any colour."""


DEFAULT = Strength()
STILL = Strength(shift=0, scale=0, brightness=0, contrast=0, saturation=0)
"""Changes nothing until one of its fields is raised."""


def augment(images: Tensor, rng: torch.Generator, strength: Strength = DEFAULT) -> Tensor:
    """Change each group of images in its own way: float (G, N, 3, H, W) in [0, 1] -> the same shape and range.

    A group, one view of one clip, is changed as one: a camera moves and dims once for all of its frames, so that what
    moves within the group is still the scene. What a shift uncovers repeats the border.
    """
    if images.ndim != 5 or images.shape[2] != 3:
        raise InputError(f"images are {tuple(images.shape)}; allowed are (G, N, 3, H, W); give one group a view")
    groups, count = images.shape[:2]
    moved = images.flatten(0, 1)
    if strength.shift or strength.scale:
        moved = _move(moved, count, _draw(groups, 3, rng), strength)
    return _recolor(moved, _draw(groups, 4, rng), strength).unflatten(0, (groups, count))


def _draw(groups: int, numbers: int, rng: torch.Generator) -> Tensor:
    return torch.rand(groups, numbers, generator=rng, device=rng.device) * 2 - 1


def _move(images: Tensor, count: int, draws: Tensor, strength: Strength) -> Tensor:
    """Scale and shift: draws (G, 3) in [-1, 1] -> images (G * count, 3, H, W), resampled bilinearly."""
    scale = 1 + strength.scale * draws[:, 0]
    shift = 2 * strength.shift * draws[:, 1:]  # the sampling grid is 2 wide
    turn = torch.diag_embed(scale[:, None].expand(-1, 2))
    maps = torch.cat([turn, shift[:, :, None]], dim=2).to(images.dtype)
    grid = functional.affine_grid(maps, [len(draws), *images.shape[1:]], align_corners=False)
    grid = grid.repeat_interleave(count, dim=0)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _recolor(images: Tensor, draws: Tensor, strength: Strength) -> Tensor:
    """Brightness to hue are one affine map of R, G, B: draws (G, 4), images (G * count, 3, H, W)."""
    contrast = 1 + strength.contrast * draws[:, 0, None, None]
    saturation = 1 + strength.saturation * draws[:, 1, None, None]
    grey = torch.tensor(_GREY, device=images.device).expand(3, 3)
    matrix = contrast * (saturation * torch.eye(3, device=images.device) + (1 - saturation) * grey)
    matrix = matrix @ _turned(2 * math.pi * strength.hue * draws[:, 3])
    offset = 0.5 * (1 - contrast[:, :, 0]) + strength.brightness * draws[:, 2, None]
    height, width = images.shape[-2:]
    pixels = images.permute(0, 2, 3, 1).reshape(len(draws), -1, 3)
    colored = torch.baddbmm(offset[:, None].to(images.dtype), pixels, matrix.mT.to(images.dtype)).clamp_(0, 1)
    return colored.view(-1, height, width, 3).permute(0, 3, 1, 2)


def _turned(angles_rad: Tensor) -> Tensor:
    """Return the maps of R, G, B (G, 3, 3) that turn the chroma axes of YIQ and keep luma: greys stay as they are."""
    to_yiq = torch.tensor(_TO_YIQ, device=angles_rad.device)
    cos, sin = angles_rad.cos(), angles_rad.sin()
    turn = torch.zeros(len(angles_rad), 3, 3, device=angles_rad.device)
    turn[:, 0, 0] = 1
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = cos, -sin, sin, cos
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq
