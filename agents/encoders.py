"""From frames to the vectors that policies see and rewards compare."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.history import History


class Encoder(Protocol):
    """Moments, uint8 (N, H, W, 3) or, with a history, (N, n, H, W, 3), to vectors, float32 (N, dim)."""

    size_px: int
    dim: int
    history: History

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return the vectors. Raises InputError for frames of another size."""
        ...


class Observer(Encoder, Protocol):
    """An encoder of what a policy sees, which may be more than what is compared."""

    seen_dim: int

    def see(self, frames: np.ndarray) -> np.ndarray:
        """Return the vectors (N, seen_dim), those that are compared first."""
        ...


class EmbeddingEncoder:
    """An embedding, in eval mode; `device` is cpu, cuda or auto."""

    def __init__(self, embedding: Embedding, device: str = "cpu") -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.embedding = embedding.eval().requires_grad_(False).to(device)
        self.size_px, self.dim, self.history = embedding.size_px, embedding.dim, embedding.history
        self.seen_dim = embedding.seen_dim

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, D) of moments."""
        return self.embedding.embed_hwc(frames)

    def see(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, seen_dim) of moments: the embedding, and what it is conditioned on."""
        return self.embedding.observe_hwc(frames)


class PixelEncoder:
    """The raw frame, flattened, in [0, 1]: the baseline without learning. `side`: its mean over side x side areas."""

    def __init__(self, size_px: int, side: int = 0) -> None:
        self.size_px, self.side, self.history = size_px, side or size_px, History()
        self.dim = self.side * self.side * 3

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Return float32 (N, side * side * 3) of uint8 (N, H, W, 3)."""
        if frames.shape[1:] != (self.size_px, self.size_px, 3):
            raise InputError(f"frames are {frames.shape[1:]}; allowed is {self.size_px} px square; record them so")
        values = frames.astype(np.float32) / 255
        if self.side != self.size_px:
            areas = functional.adaptive_avg_pool2d(torch.from_numpy(values).movedim(-1, 1), self.side)
            values = areas.movedim(1, -1).numpy()
        return values.reshape(len(frames), -1)
