"""Two players in one scalar loss: each term's gradient reaches its own player and no other."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.func import functional_call


def critic_layers(channels: int) -> list[nn.Module]:
    """Return a discriminator's layers above a trunk of `channels`: its map at 8 x 8, one more strided convolution as
    DCGAN's, flat: (N, 32 channels).
    """
    return [
        nn.AdaptiveAvgPool2d(8),
        nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]


def with_fixed_weights(net: nn.Module, *inputs: Any) -> Any:
    """Return what a net makes of its inputs, whose gradient reaches them and not its weights.

    So a generator learns through a discriminator that its loss leaves as it is. Buffers, batch norm's statistics too,
    are used and updated as in a plain call.
    """
    weights = {name: value.detach() for name, value in net.named_parameters()}
    return functional_call(net, weights, inputs)
