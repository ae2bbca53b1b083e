"""From an embedding back to pixels, and what that costs: shared by the VAEs and the plain autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError, check_least

_SMALLEST, _HIDDEN = 8, 256
_BLUR, _COARSE = 3 / 16, 4


class Decoder(nn.Module):
    """Two FCs to an 8 x 8 map, transposed convolutions that double it, and a picture that is the same for all, added:
    (N, D) -> (N, channels, size_px, size_px), means of pixels.

    Of the same budget the picture halves the error, and the second FC halves it again: one alone cannot turn where a
    thing is into a map of it. Raises InputError unless size_px is 8 times a power of two.
    """

    def __init__(self, dim: int, size_px: int, width: int, channels: int = 3) -> None:
        super().__init__()
        check_least(1, width=width)
        doublings = (size_px // _SMALLEST).bit_length() - 1
        if doublings < 1 or size_px != _SMALLEST << doublings:
            raise InputError(f"size_px is {size_px}; allowed are 16, 32, 64, 128, ...; record frames of such a size")
        self.dim = dim
        widths = [width << step for step in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.Linear(dim, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, widths[0] * _SMALLEST**2),
            nn.Unflatten(1, (widths[0], _SMALLEST, _SMALLEST)),
        ]
        for before, after in zip(widths, [*widths[1:], channels], strict=True):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers)
        self.background = nn.Parameter(torch.full((channels, size_px, size_px), 0.5))

    def forward(self, z: Tensor) -> Tensor:
        """Return images (N, channels, size_px, size_px), about in [0, 1] but not clamped, of embeddings (N, D)."""
        return self.layers(z) + self.background

    @torch.no_grad()
    def to_frames(self, z: Tensor) -> Tensor:
        """Return uint8 frames (N, 3, size_px, size_px) of embeddings (N, D), and no gradient. Raises
        InputError on other shapes.
        """
        if z.ndim != 2 or z.shape[1] != self.dim:
            raise InputError(f"z is {tuple(z.shape)}; allowed is (N, {self.dim}); reshape it")
        return self(z.to(self.background)).clamp_(0, 1).mul_(255).round_().to(torch.uint8)


class Likelihood(nn.Module):
    """-log N(image; decoded, S) without its constants, mean over the batch: (N, 3, H, W) each -> a scalar.

    1/2 the squared error summed over pixels and colours, S = I; and `smooth` times the same of the error blurred by a
    Gaussian of 3/16 of the picture's side, S^-1 = I + smooth B^T B. Where a small thing is off by more than its own
    width, the sharp error is the same wherever it is: latents have no reason to keep neighbours together. The blurred
    error grows with the distance.
    """

    kernel: Tensor

    def __init__(self, smooth: float = 0.0, size_px: int = 64) -> None:
        super().__init__()
        check_least(0, smooth=smooth)
        self.smooth = smooth
        sigma = _BLUR * size_px / _COARSE
        at = torch.arange(-round(3 * sigma), round(3 * sigma) + 1)
        weights = torch.exp(-0.5 * (at / sigma) ** 2)
        self.register_buffer("kernel", weights / weights.sum(), persistent=False)

    def forward(self, decoded: Tensor, images: Tensor) -> Tensor:
        """Return what the batch costs."""
        error = decoded.float() - images
        cost = error.square().sum((1, 2, 3))
        if self.smooth:
            cost = cost + self.smooth * self._blurred(error).square().sum((1, 2, 3)) * _COARSE**2
        return 0.5 * cost.mean()

    def _blurred(self, error: Tensor) -> Tensor:
        """Return the blurred error at a quarter of the resolution: it holds nothing finer."""
        coarse = functional.avg_pool2d(error, _COARSE)
        channels, reach = coarse.shape[1], len(self.kernel) // 2
        down, across = (self.kernel.view(1, 1, *shape).expand(channels, 1, -1, -1) for shape in ((-1, 1), (1, -1)))
        coarse = functional.conv2d(coarse, down, padding=(reach, 0), groups=channels)
        return functional.conv2d(coarse, across, padding=(0, reach), groups=channels)
