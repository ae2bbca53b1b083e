"""Colour as classes: lightness and the a, b plane of CIE Lab in bins (Zhang et al. 2016, arXiv 1603.08511, section 2).

Lab is kornia's, in floats: L in [0, 100], a and b about -86 to 98 and -108 to 94.
"""

from __future__ import annotations

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError

_STEP = 10.0  # of the grid over a and b
_NEAREST, _SIGMA = 5, 5.0  # soft encoding, section 2.2
_TEMPERATURE = 0.38  # annealed mean, section 2.3
LIGHTNESS_BINS = 100
"""One a unit of L."""


def ab_bins() -> Tensor:
    """Return the centres of the a, b bins in gamut, float32 (261, 2): the points of a grid of step 10, the origin one
    of them, to which a and b of some 8-bit sRGB colour round.

    The paper has 313 and does not say how they were found.
    """
    levels = torch.linspace(0, 1, 256)
    face = torch.cartesian_prod(levels, levels)
    # The RGB cube's faces are enough: a line of equal a and b that meets the gamut leaves it through its surface
    surface = [
        torch.cat([face[:, :axis], torch.full((len(face), 1), end), face[:, axis:]], dim=1)
        for axis in range(3)
        for end in (0.0, 1.0)
    ]
    a, b = (rgb_to_lab(torch.cat(surface).mT[:, :, None])[1:, :, 0] / _STEP).round().long()
    farthest = 12  # in steps: beyond any a or b
    met = torch.zeros(2 * farthest + 1, 2 * farthest + 1, dtype=torch.bool)
    met[a + farthest, b + farthest] = True
    return (met.nonzero() - farthest) * _STEP


def nearest_bin(ab: Tensor, bins: Tensor) -> Tensor:
    """Return the index of the bin, of bins (Q, 2), next to each a, b of (N, 2, h, w): int64 (N, h, w)."""
    return _distances(ab, bins).argmin(-1)


def soft_encoded(ab: Tensor, bins: Tensor) -> Tensor:
    """Return a, b (N, 2, h, w) as a distribution over bins (Q, 2): float (N, Q, h, w).

    The 5 nearest bins, weighted by a Gaussian of sigma 5 of their distance; all others are 0: section 2.2.
    """
    distances = _distances(ab, bins)
    near = distances.topk(_NEAREST, largest=False)
    weights = (-near.values.square() / (2 * _SIGMA**2)).softmax(-1)
    return torch.zeros_like(distances).scatter_(-1, near.indices, weights).movedim(-1, 1)


def annealed_mean(logits: Tensor, values: Tensor) -> Tensor:
    """Return one value a pixel, (N, D, h, w), of logits (N, Q, h, w) of bins whose values are (Q, D): the mean at
    temperature 0.38, between the mean, which is grey, and the mode, which is patchy: section 2.3.
    """
    return torch.einsum("nqhw,qd->ndhw", (logits / _TEMPERATURE).softmax(1), values)


def lightness_bin(lab: Tensor) -> Tensor:
    """Return which of 100 bins the lightness of Lab images (N, 3, h, w) is in: int64 (N, h, w)."""
    return lab[:, 0].long().clamp(0, LIGHTNESS_BINS - 1)


def grey(lightness: Tensor) -> Tensor:
    """Return L (N, 1, H, W) as images (N, 3, H, W) in [0, 1] of three equal channels, so that any backbone takes it."""
    return (lightness / 100).expand(-1, 3, -1, -1)


def colored(lightness: Tensor, ab: Tensor) -> Tensor:
    """Return L (N, 1, H, W) in the colours a, b (N, 2, h, w), enlarged bilinearly: RGB (N, 3, H, W) in [0, 1]."""
    ab = functional.interpolate(ab, size=lightness.shape[2:], mode="bilinear", align_corners=False)
    return lab_to_rgb(torch.cat([lightness, ab], dim=1))


def quartered(lab: Tensor) -> Tensor:
    """Return every fourth pixel, each way, of (N, C, H, W): true colours, where a mean would have greyed those at
    edges. Raises InputError where there is no fourth.
    """
    height, width = lab.shape[2:]
    if min(height, width) < 4:
        raise InputError(f"images are {height} x {width} px; allowed are sides of 4 px or more; give larger ones")
    return functional.interpolate(lab, size=(height // 4, width // 4), mode="nearest-exact")


class PixelHead(nn.Module):
    """Logits of bins at a quarter of the image's size: 1x1 convolution of the map, then resized bilinearly."""

    def __init__(self, channels: int, bins: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels, bins, 1)

    def forward(self, features: Tensor, height: int, width: int) -> Tensor:
        """Return the logits (N, Q, height // 4, width // 4) of a map (N, C, h, w) of images of height x width."""
        logits = self.layer(features).float()
        return functional.interpolate(logits, size=(height // 4, width // 4), mode="bilinear", align_corners=False)


def _distances(ab: Tensor, bins: Tensor) -> Tensor:
    """Return the distance of each a, b (N, 2, h, w) from each bin (Q, 2): (N, h, w, Q)."""
    exact = "donot_use_mm_for_euclid_dist"  # products would round, in TF32 by whole bins
    return torch.cdist(ab.movedim(1, -1).flatten(1, 2), bins, compute_mode=exact).unflatten(1, ab.shape[2:])
