"""From noise to images: the generator that the adversarial tasks share."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError
from vision.backbones._blocks import channels_last, conv_bn

_START, _DOUBLINGS = 4, 3


class Drawn(NamedTuple):
    """Real images, and the noise that as many others are made of."""

    images: Tensor
    """float (N, 3, H, W)."""
    noise: Tensor
    """float (N, z_dim), uniform in [-1, 1]."""


class Generator(nn.Module):
    """FC to a 4 x 4 map, stretched to an eighth of the image's sides, then three doublings with batch norm and ReLU:
    noise (N, dim) -> (N, 3, H, W) in [0, 1] (DCGAN: Radford et al. 2016, section 3).

    A doubling is bilinear upsampling and a 3x3 convolution, not the paper's transposed convolution, which leaves a
    checkerboard (Odena et al. 2016); repeated pixels leave a grid that strided discriminators hardly see. The sigmoid
    is the paper's tanh for pixels in [0, 1]. Raises InputError on bad options.
    """

    size_px: Tensor

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        if dim < 1 or width < 1:
            raise InputError(f"z_dim is {dim} and width {width}; allowed are 1 or more; change them")
        self.dim = dim
        widths = [width << step for step in reversed(range(_DOUBLINGS))]
        self.start = nn.Sequential(
            nn.Linear(dim, widths[0] * _START**2, bias=False), nn.Unflatten(1, (widths[0], _START, _START))
        )
        layers: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU()]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Upsample(scale_factor=2, mode="bilinear"), conv_bn(before, after, 3, 1), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(width, 3, 3, padding=1), nn.Sigmoid()
        )
        self.register_buffer("size_px", torch.tensor([64, 64]))  # kept with the weights, which only fit this size
        channels_last(self)

    def noise(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw noise (count, dim), uniform in [-1, 1]."""
        return torch.rand(count, self.dim, generator=rng, device=rng.device) * 2 - 1

    def forward(self, noise: Tensor, like: Tensor | None = None) -> Tensor:
        """Return images (N, 3, H, W) of noise (N, dim), as large as those `like`; without these, as the last were."""
        if like is not None:
            self.size_px.copy_(torch.tensor(like.shape[2:]))
        height, width = self.size_px.tolist() if like is None else like.shape[2:]
        eighth = (-(-height // 2**_DOUBLINGS), -(-width // 2**_DOUBLINGS))
        images = self.layers(functional.interpolate(self.start(noise), eighth, mode="bilinear"))
        return images[:, :, :height, :width].float()
