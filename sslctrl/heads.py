"""What stands on a backbone's feature map: where its features are, or all of it flattened."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError, check_least
from sslctrl.eval_mode import eval_mode


class SpatialSoftArgmax(nn.Module):
    """Expected position of each channel under its own softmax over the map (Levine et al. 2016, section 5.1; TCN,
    section 3.1).

    (N, C, h, w) -> (N, 2C): all x, then all y, in [-1, 1] from the left or top pixel's centre to the right or bottom
    one's. A single 1 in a map of zeros, at a low temperature, gives that pixel's position.
    """

    def __init__(self) -> None:
        super().__init__()
        # At temperature 1 the maps of an untrained net are all but flat, and training idles for hundreds of steps
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.2)))

    def forward(self, features: Tensor) -> Tensor:
        """Return the positions (N, 2C) of features (N, C, h, w)."""
        height, width = features.shape[-2:]
        logits = features.flatten(2).float() * torch.exp(-self.log_temperature)
        weights = logits.softmax(dim=2).unflatten(2, (height, width))
        x = weights.sum(dim=2) @ torch.linspace(-1, 1, width, device=features.device)
        y = weights.sum(dim=3) @ torch.linspace(-1, 1, height, device=features.device)
        return torch.cat([x, y], dim=1)


class PositionHead(nn.Module):
    """1x1 convolution to key points -> spatial soft-argmax -> FC -> ReLU -> FC: (N, C, h, w) -> (N, dim).

    `hidden` 0 is the paper's single FC.
    """

    def __init__(self, channels: int, points: int, hidden: int, dim: int) -> None:
        super().__init__()
        check_least(1, points=points)
        check_least(0, hidden=hidden)
        self.points = nn.Conv2d(channels, points, 1, bias=False)  # a bias is the same for all places: softmax drops it
        self.positions = SpatialSoftArgmax()
        if hidden:
            self.linear = nn.Sequential(nn.Linear(2 * points, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        else:
            self.linear = nn.Sequential(nn.Linear(2 * points, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding (N, dim) of a feature map (N, C, h, w)."""
        return self.linear(self.positions(self.points(features)))


class FlatHead(nn.Module):
    """The whole map, pooled to at most 8 x 8, flattened -> FC: (N, C, h, w) -> (N, outputs)."""

    def __init__(self, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        channels, height, width = shape
        size = (min(height, 8), min(width, 8))
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(channels * math.prod(size), outputs)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, outputs) of a feature map (N, C, h, w)."""
        return self.layers(features)


def grid_head(backbone: nn.Module, outputs: int, bias: bool = True) -> nn.Sequential:
    """Return a backbone's map, its means over 4 x 4 areas -> FC: (N, C, h, w) -> (N, outputs).

    A mean over the whole map would forget where the features are.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels_of(backbone), outputs, bias))


def fresh_copy(net: nn.Module) -> nn.Module:
    """Return the same architecture with weights of its own, new ones in all modules that have `reset_parameters`.

    A net that says it is `pretrained` begins as it does there, too.
    """
    other = copy.deepcopy(net)
    if getattr(net, "pretrained", False):
        return other
    other.requires_grad_(True)  # new weights of a net that is frozen would stay as they were drawn
    for module in other.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    return other


def channels_of(backbone: nn.Module) -> int:
    """Return a backbone's `channels`. Raises InputError where it says none."""
    channels = getattr(backbone, "channels", None)
    if not isinstance(channels, int) or channels < 1:
        raise InputError(
            f"{type(backbone).__name__}.channels is {channels!r}; "
            "allowed is the number of channels of its feature map; set it in __init__"
        )
    return channels


def check_map(backbone: nn.Module, size_px: int) -> None:
    """Raise InputError where a backbone's map is not as it says, (N, channels, h, w); one that cannot read such an
    image, as where it reads another size alone, is left to those that it is given.
    """
    try:
        shape = _shape_seen(backbone, size_px)
    except Exception:
        return
    _checked_map(backbone, size_px, shape)


def map_shape(backbone: nn.Module, size_px: int) -> tuple[int, int, int]:
    """Return C, h, w of a backbone's map of size_px x size_px images. Raises InputError where these are too small for
    it, or the map is not as it says.
    """
    try:
        shape = _shape_seen(backbone, size_px)
    except RuntimeError as error:
        raise InputError(
            f"size_px is {size_px}: the backbone cannot read that ({str(error).splitlines()[0]}); give a larger size_px"
        ) from error
    return _checked_map(backbone, size_px, shape)


def _shape_seen(backbone: nn.Module, size_px: int) -> tuple[int, ...]:
    with torch.no_grad(), eval_mode(backbone):  # one black image must not enter batch norm's statistics
        return tuple(backbone(torch.zeros(1, 3, size_px, size_px)).shape)


def _checked_map(backbone: nn.Module, size_px: int, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 4 or shape[:2] != (1, channels_of(backbone)):
        raise InputError(
            f"{type(backbone).__name__} turns an image of {size_px} px into {shape}; allowed is a map "
            f"(1, {channels_of(backbone)}, h, w), as its channels say; change forward or channels"
        )
    return shape[1], shape[2], shape[3]
