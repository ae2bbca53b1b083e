"""Randomness of a step as a pure function of (seed, step): a resumed run draws what it would have drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def numpy_rng(seed: int, step: int, stream: int = 0) -> np.random.Generator:
    """Return the generator of one step; streams of a step are independent of each other."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, step, stream])))


def seed_of(seed: int, step: int, stream: int = 0) -> int:
    """Return the seed, 63 bits, of one step: another for every seed, step and stream of 32 bits."""
    return int(np.random.SeedSequence([seed, step, stream]).generate_state(1, np.uint64)[0] >> 1)


def torch_rng(seed: int, step: int, stream: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the torch generator of one step on a device; its draws differ from one kind of device to another."""
    import torch

    return torch.Generator(device).manual_seed(seed_of(seed, step, stream))
