"""From frames to the vectors that policies see and rewards compare."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from sslctrl.errors import InputError
from sslctrl.history import History


class Encoder(Protocol):
    """Moments, uint8 (N, H, W, 3) or, with a history, (N, n, H, W, 3), to vectors: an `Embedding`, or raw pixels."""

    size_px: int
    dim: int
    history: History

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, dim), which rewards compare. Raises InputError for frames of another size."""
        ...


class Observer(Encoder, Protocol):
    """An encoder of what a policy sees, which may be more than what is compared: an `Embedding`."""

    @property
    def seen_dim(self) -> int:
        """How much a policy sees of a moment."""
        ...

    def observe_hwc(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, seen_dim), what is compared first. Raises as `embed_hwc`."""
        ...


class PixelEncoder:
    """The raw frame, flattened, in [0, 1]: the baseline without learning. `side`: its mean over side x side areas."""

    def __init__(self, size_px: int, side: int = 0) -> None:
        self.size_px, self.side, self.history = size_px, side or size_px, History()
        self.dim = self.side * self.side * 3

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, side * side * 3) of uint8 (N, H, W, 3)."""
        if frames.shape[1:] != (self.size_px, self.size_px, 3):
            raise InputError(f"frames are {frames.shape[1:]}; allowed is {self.size_px} px square; record them so")
        values = frames.astype(np.float32) / 255
        if self.side != self.size_px:
            areas = functional.adaptive_avg_pool2d(torch.from_numpy(values).movedim(-1, 1), self.side)
            values = areas.movedim(1, -1).numpy()
        return values.reshape(len(frames), -1)
