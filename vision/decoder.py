"""From a feature map back to the image's pixels: for tasks that repair what the backbone was shown."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.heads import map_shape
from vision.backbones._blocks import channels_last, conv_bn

_TRIED_PX = 64
_WIDTH = 16


class MapDecoder(nn.Module):
    """As many doublings as the backbone halves, each a convolution and nearest upsampling, which leave no checkerboard
    (Odena et al. 2016): (N, C, h, w) -> (N, 3, H, W). Raises InputError where the backbone cannot read 64 px, or
    `size_px` where it is for one size.
    """

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        size_px = getattr(backbone, "size_px", 0) or _TRIED_PX
        channels, height, _ = map_shape(backbone, size_px)
        doublings = max(1, round(math.log2(size_px / height)))
        widths = [channels, *(_WIDTH << step for step in reversed(range(doublings)))]
        self.stages = nn.ModuleList(conv_bn(*pair, 3, 1) for pair in pairwise(widths))
        self.pixels = nn.Conv2d(_WIDTH, 3, 3, padding=1)
        channels_last(self)

    def forward(self, features: Tensor, size: torch.Size) -> Tensor:
        """Return pixels (N, 3, *size), not clamped, of feature maps (N, C, h, w)."""
        *doubling, last = self.stages
        for stage in doubling:
            features = functional.interpolate(torch.relu(stage(features)), scale_factor=2)
        return self.pixels(functional.interpolate(torch.relu(last(features)), size)).float()
