"""The small convolutional net: three layers, the size that one CPU core trains in minutes."""

from __future__ import annotations

from torch import Tensor, nn

from sslctrl.errors import check_least
from vision.backbones._blocks import channels_last, check_pairs, conv_bn


class Conv(nn.Module):
    """A row of convolutions with batch norm and ReLU, as wide as the encoder of RIG (Nair et al. 2018, appendix).

    (N, 3, H, W) float in [0, 1] -> (N, widths[-1], h, w); by default h = H / 4. Raises InputError on bad options.
    """

    def __init__(
        self, widths: tuple[int, ...] = (32, 48, 48), strides: tuple[int, ...] = (2, 2, 1), first_kernel: int = 5
    ) -> None:
        super().__init__()
        check_pairs(widths, strides)
        check_least(1, first_kernel=first_kernel)
        self.channels = widths[-1]
        inputs = (3, *widths[:-1])
        layers: list[nn.Module] = []
        for index, (before, after, stride) in enumerate(zip(inputs, widths, strides, strict=True)):
            layers += [conv_bn(before, after, 3 if index else first_kernel, stride), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        channels_last(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w) of images (N, 3, H, W)."""
        return self.layers(images)
