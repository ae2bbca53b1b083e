"""Two players in one scalar loss: each term's gradient reaches its own player and no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from sslctrl.eval_mode import eval_mode


def critic_layers(channels: int) -> list[nn.Module]:
    """Return a discriminator's layers above a trunk of `channels`: its map at 8 x 8, one more strided convolution as
    DCGAN's but without batch norm (see `steadied`), flat: (N, 32 channels).
    """
    return [
        nn.AdaptiveAvgPool2d(8),
        nn.Conv2d(channels, 2 * channels, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]


@contextmanager
def steadied(trunk: nn.Module, real: Tensor) -> Iterator[None]:
    """Let a discriminator's trunk normalise all images as the real ones it has seen so far, these, (N, 3, H, W), too.

    Statistics of each batch by itself, in the first layer above all, let two players run in circles: DCGAN has no batch
    norm there (section 3), but any backbone may. These here are of no fake ones, and so is what is left; in a mix of
    tasks they are of the other tasks' images, too.
    """
    if trunk.training:
        with torch.no_grad():
            trunk(real)
    with eval_mode(trunk):
        yield
    for module in trunk.modules():  # backward reads the statistics of now, and another task of a mix moves them on
        for name, statistics in module.named_buffers(recurse=False):
            setattr(module, name, statistics.clone())


def told_apart(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return a discriminator's cross-entropy (2 log 2 where it knows nothing) and accuracy, scalars, of its logits (N,)
    for both kinds.
    """
    value = functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return value, torch.cat([real > 0, fake < 0]).float().mean()


def with_fixed_weights(net: nn.Module, *inputs: Any) -> Any:
    """Return what a net makes of its inputs, whose gradient reaches them and not its weights.

    So a generator learns through a discriminator that its loss leaves as it is: batch norm's running statistics too.
    """
    weights = {name: value.detach() for name, value in net.named_parameters()}
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    return functional_call(net, weights | buffers, inputs)
