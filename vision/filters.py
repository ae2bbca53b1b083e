"""What a backbone's first layer looks for."""

from __future__ import annotations

from torch import Tensor, nn


def first_filters(backbone: nn.Module, columns: int = 16) -> Tensor | None:
    """Return the kernels of the first convolution of three channels as pictures in [0, 1], float (rows, columns, 3, k,
    k), each stretched to its own range; None for a backbone without one.
    """
    found = [layer for layer in backbone.modules() if isinstance(layer, nn.Conv2d) and layer.in_channels == 3]
    if not found:
        return None
    kernels = found[0].weight.detach().float()
    low, high = kernels.amin((1, 2, 3), keepdim=True), kernels.amax((1, 2, 3), keepdim=True)
    pictures = (kernels - low) / (high - low).clamp_min(1e-12)
    blank = -len(pictures) % columns
    return nn.functional.pad(pictures, (0, 0, 0, 0, 0, 0, 0, blank), value=1.0).unflatten(0, (-1, columns))
