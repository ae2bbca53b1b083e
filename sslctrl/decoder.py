"""From an embedding back to pixels, and what that costs: shared by the VAEs and the plain autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError

_SMALLEST, _HIDDEN = 8, 256


class Decoder(nn.Module):
    """Two FCs to an 8 x 8 map, transposed convolutions that double it, and a picture that is the same for all, added:
    (N, D) -> (N, 3, size_px, size_px), means of pixels.

    Of the same budget the picture halves the error, and the second FC halves it again: one alone cannot turn where a
    thing is into a map of it. Raises InputError unless size_px is 8 times a power of two.
    """

    def __init__(self, dim: int, size_px: int, width: int) -> None:
        super().__init__()
        doublings = (size_px // _SMALLEST).bit_length() - 1
        if doublings < 1 or size_px != _SMALLEST << doublings:
            raise InputError(f"size_px is {size_px}; allowed are 16, 32, 64, 128, ...; record frames of such a size")
        widths = [width << step for step in reversed(range(doublings))]
        layers: list[nn.Module] = [
            nn.Linear(dim, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, widths[0] * _SMALLEST**2),
            nn.Unflatten(1, (widths[0], _SMALLEST, _SMALLEST)),
        ]
        for before, after in zip(widths, [*widths[1:], 3], strict=True):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers)
        self.background = nn.Parameter(torch.full((3, size_px, size_px), 0.5))

    def forward(self, z: Tensor) -> Tensor:
        """Return images (N, 3, size_px, size_px), about in [0, 1] but not clamped, of embeddings (N, D)."""
        return self.layers(z) + self.background

    @torch.no_grad()
    def to_frames(self, z: Tensor) -> Tensor:
        """Return uint8 frames (N, 3, size_px, size_px) of embeddings (N, D); no gradient."""
        device = next(self.parameters()).device
        return self(z.to(device)).clamp_(0, 1).mul_(255).round_().to(torch.uint8)


def half_squares(decoded: Tensor, images: Tensor) -> Tensor:
    """Return 1/2 the squared error summed over pixels and colours, its mean over the batch, of (N, 3, H, W) each:
    -log N(image; decoded, I) without its constants.
    """
    return 0.5 * (decoded.float() - images).square().sum((1, 2, 3)).mean()
