"""Two players in one scalar loss: each term's gradient reaches its own player and no other."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.func import functional_call


def with_fixed_weights(net: nn.Module, *inputs: Any) -> Any:
    """Return what a net makes of its inputs, whose gradient reaches them and not its weights.

    So a generator learns through a discriminator that its loss leaves as it is. Buffers, batch norm's statistics too,
    are used and updated as in a plain call.
    """
    weights = {name: value.detach() for name, value in net.named_parameters()}
    return functional_call(net, weights, inputs)
