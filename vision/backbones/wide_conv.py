"""The wider and deeper convolutional net: 32 to 256 channels, about ten times the small one's arithmetic."""

from __future__ import annotations

from torch import Tensor, nn

from vision.backbones._blocks import channels_last, check_pairs, conv_bn


class WideConv(nn.Module):
    """Stages of two convolutions, the first of which strides, with batch norm and ReLU.

    (N, 3, H, W) float in [0, 1] -> (N, widths[-1], h, w); by default h = H / 8. Raises InputError on bad options.
    """

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256), strides: tuple[int, ...] = (2, 2, 2, 1)) -> None:
        super().__init__()
        check_pairs(widths, strides)
        self.channels = widths[-1]
        inputs = (3, *widths[:-1])
        stages = [_stage(*sizes) for sizes in zip(inputs, widths, strides, strict=True)]
        self.stages = nn.Sequential(*stages)
        channels_last(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w) of images (N, 3, H, W)."""
        return self.stages(images)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    first, second = conv_bn(inputs, outputs, 3, stride), conv_bn(outputs, outputs, 3, 1)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))
