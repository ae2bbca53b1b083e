"""Video of blocks that are each light or dark, and each orange or blue: the one tells the other, or does not."""

from __future__ import annotations

import torch
from kornia.color import lab_to_rgb

from sslctrl.clips import Clips

LIGHTNESS = torch.tensor([40.5, 60.5])
AB = torch.tensor([[20.0, 30.0], [0.0, -30.0]])  # as the two lightnesses, at centres of bins


def blocks(seed: int, tied: bool, count: int = 32, side: int = 16) -> Clips:
    """Blocks of 4 x 4 px; `tied`: all light ones are blue, all dark ones are orange; else drawn apart."""
    rng = torch.Generator().manual_seed(seed)
    light, blue = torch.randint(0, 2, (2, count, side // 4, side // 4), generator=rng)
    lab = torch.cat([LIGHTNESS[light][:, None], AB[light if tied else blue].movedim(-1, 1)], dim=1)
    rgb = lab_to_rgb(lab).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return Clips((rgb * 255).round().to(torch.uint8)[:, None, None])
