"""Marks drawn over pictures, for people."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_POINTS = ((1.0, 0.1, 0.1), (1.0, 0.9, 0.0), (0.0, 0.9, 1.0), (1.0, 0.0, 1.0))


def overlaid(images: Tensor, masks: Tensor, points: Tensor) -> Tensor:
    """Return images (N, 3, H, W) with what masks, (N, h, w) in [0, 1], mark tinted green, and a dot at each of the
    points, (N, K, 2), x and y as fractions of the picture.
    """
    height, width = images.shape[2:]
    tint = functional.interpolate(masks[:, None], size=(height, width), mode="bilinear", align_corners=False)
    green = torch.tensor([0.1, 0.9, 0.2], device=images.device)[:, None, None]
    drawn = torch.lerp(images, green.expand_as(images), 0.5 * (tint > 0.5).float())
    row, column = ((torch.arange(size, device=images.device) + 0.5) for size in (height, width))
    radius = max(1.0, min(height, width) / 40)
    for number in range(points.shape[1]):
        x, y = points[:, number].unbind(1)
        near = (row[:, None] - y[:, None, None] * height) ** 2 + (column - x[:, None, None] * width) ** 2 <= radius**2
        color = torch.tensor(_POINTS[number % len(_POINTS)], device=images.device)[:, None, None]
        drawn = torch.where(near[:, None], color, drawn)
    return drawn
