"""From a feature map back to the image's pixels: for tasks that repair what the backbone was shown."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.heads import map_shape
from vision.backbones._blocks import channels_last, conv_bn

_TRIED_PX = 64


class MapDecoder(nn.Module):
    """As many doublings as the backbone halves, each a convolution and nearest upsampling, which leave no checkerboard
    (Odena et al. 2016): (N, C, h, w) -> (N, 3, H, W). Raises InputError where the backbone cannot read 64 px.
    """

    def __init__(self, backbone: nn.Module, width: int = 16) -> None:
        super().__init__()
        before, height, _ = map_shape(backbone, _TRIED_PX)
        doublings = max(1, round(math.log2(_TRIED_PX / height)))
        stages = []
        for step in reversed(range(doublings)):
            stages.append(conv_bn(before, width << step, 3, 1))
            before = width << step
        self.stages = nn.ModuleList(stages)
        self.pixels = nn.Conv2d(before, 3, 3, padding=1)
        channels_last(self)

    def forward(self, features: Tensor, size: torch.Size) -> Tensor:
        """Return images (N, 3, *size), about in [0, 1] but not clamped, of feature maps (N, C, h, w)."""
        for stage in self.stages[:-1]:
            features = functional.interpolate(torch.relu(stage(features)), scale_factor=2)
        features = functional.interpolate(torch.relu(self.stages[-1](features)), size)
        return self.pixels(features).float()
