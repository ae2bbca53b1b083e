"""What learns from video: the one interface of every pretext task and embedding, and of values of grasps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from itertools import chain
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from sslctrl.clips import Clips, Layout, Pick
    from sslctrl.registry import Spec
    from sslctrl.store import EpisodeStore


class Loss(NamedTuple):
    """What a batch costs."""

    value: Tensor
    """The scalar that is minimised."""
    metrics: dict[str, Tensor]
    """Detached scalars to log."""


def classification(logits: Tensor, labels: Tensor) -> Loss:
    """Return the cross-entropy of logits (N, K) and labels, int64 (N,), with the share that is right, `accuracy`."""
    right = (logits.argmax(1) == labels).float().mean()
    return Loss(functional.cross_entropy(logits, labels), {"accuracy": right})


class Objective(nn.Module, ABC):
    """Anything that `fit` trains on a store of video. All randomness comes from the generators that it is given."""

    spec: Spec
    """Name and options it was built from; the registry sets it."""
    backbone: nn.Module
    """Pixels in, feature map out: float (N, 3, H, W) in [0, 1] -> (N, C, h, w); has `channels` = C."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's, for `fit`: how much of its means of the gradient and of the squared gradient each step keeps."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(chain(self.backbone.parameters(), self.parameters())).device

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """All that start from `init`'s weights, where one is given: by default the one."""
        return (self.backbone,)

    def prepare(self, store: EpisodeStore) -> None:
        """Look at a store before the first batch of it, for what `pick` is to know of pixels, as where something moves.

        The same for the same store, and not saved: a run that goes on looks again. Does nothing by default.
        """

    @abstractmethod
    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Choose the episodes, views and steps of one batch. Raises InputError where no episode is long enough."""

    @abstractmethod
    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of one batch; `clips` and `rng` are on its device. Raises InputError on bad shapes."""

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        """Run once after the last step, to fill buffers that need the trained weights. Does nothing by default."""


def check_loss(loss: Any, objective: Objective) -> None:
    """Raise InputError where an objective, which may be anybody's, returns something else than a loss to learn from."""
    wrong = ""
    if not isinstance(loss, Loss) or not isinstance(loss.value, Tensor) or not isinstance(loss.metrics, Mapping):
        wrong = f"a {type(loss).__name__}"
        if isinstance(loss, Loss):
            wrong += f" of a {type(loss.value).__name__} and a {type(loss.metrics).__name__}"
    elif loss.value.ndim:
        wrong = f"a value of shape {tuple(loss.value.shape)}"
    else:
        for name, metric in loss.metrics.items():
            if not isinstance(metric, Real) and not (isinstance(metric, Tensor) and metric.numel() == 1):
                shape = tuple(metric.shape) if isinstance(metric, Tensor) else type(metric).__name__
                wrong = f"{name} of {shape} among its metrics"
    if wrong:
        raise InputError(
            f"{type(objective).__name__}.loss returns {wrong}; allowed is a Loss(value, metrics) of a scalar and "
            "of single numbers; mend it"
        )


def channels_first(frames: np.ndarray) -> Tensor:
    """Return frames as cameras have them, uint8 (..., H, W, 3), as (..., 3, H, W): the same memory, but a copy where
    torch does not take it: where it may not be written to, or a renderer has turned it by its strides.
    """
    taken = frames.flags.writeable and min(frames.strides, default=0) >= 0
    return torch.from_numpy(frames if taken else frames.copy()).movedim(-1, -3)


def to_float(frames: Tensor, device: torch.device | str) -> Tensor:
    """Move uint8 frames (..., 3, H, W) to the device and convert them there, once, to float32 in [0, 1].

    The memory layout (channels last, as `Clips` has it) is kept. Raises InputError on another dtype or shape.
    """
    if frames.dtype != torch.uint8 or frames.ndim < 4 or frames.shape[-3] != 3:
        raise InputError(
            f"frames are {str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}; "
            "allowed are uint8 (..., 3, H, W) in RGB order; pass the frames as they were recorded"
        )
    return frames.to(device, non_blocking=True).float().div_(255)


def not_finite(module: nn.Module) -> str:
    """Return the name of the first weight that is not finite; empty where all are."""
    return next((name for name, weight in module.named_parameters() if not weight.isfinite().all()), "")


def is_frozen(module: nn.Module) -> bool:
    """Tell whether a module has weights of which none learns."""
    weights = list(module.parameters())
    return bool(weights) and not any(weight.requires_grad for weight in weights)
