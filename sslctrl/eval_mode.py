"""Nets in eval mode for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def eval_mode(*nets: nn.Module) -> Iterator[None]:
    """Put nets into eval mode; afterwards each of their modules, a frozen part too, has the mode that it had."""
    training = {module: module.training for net in nets for module in net.modules()}
    for net in nets:
        net.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode
