"""Residual networks of any width and depth, for small images: no max-pooling, and a map that stays readable."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError
from vision.backbones._blocks import channels_last, check_sizes, conv_bn


class Resnet(nn.Module):
    """Basic-block ResNet (He et al. 2016, section 4.2): `blocks` (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) ResNet-34.

    (N, 3, H, W) float in [0, 1] -> (N, C, H / 8, W / 8), C = 8 * width with four stages. A stem of stride 2, then
    stages of stride 1, 2, 2, 1, 1, ...: the last ones widen without striding. Raises InputError on bad options.
    """

    def __init__(self, width: int = 16, blocks: tuple[int, ...] = (2, 2, 2, 2)) -> None:
        super().__init__()
        check_sizes("blocks", blocks)
        if width < 1:
            raise InputError(f"width is {width}; allowed are positive integers; 16 suits a CPU, 64 a GPU")
        self.stem = nn.Sequential(conv_bn(3, width, 3, 2), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        before = width
        for stage, count in enumerate(blocks):
            after = width * 2**stage
            for index in range(count):
                layers.append(_Block(before, after, stride=2 if stage in (1, 2) and index == 0 else 1))
                before = after
        self.blocks = nn.Sequential(*layers)
        self.channels = before
        channels_last(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w) of images (N, 3, H, W)."""
        return self.blocks(self.stem(images))


class _Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = torch.relu(self.first(features))
        return torch.relu(self.second(inner) + self.shortcut(features))
