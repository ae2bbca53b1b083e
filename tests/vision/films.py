"""Films that are made up, and how well a task on video does on others of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sslctrl.footage import footage
from sslctrl.rng import numpy_rng, torch_rng
from sslctrl.store import EpisodeStore
from vision.backbones.conv import Conv
from vision.video_task import VideoTask


def net(widths: tuple[int, ...] = (16, 16)) -> nn.Module:
    torch.manual_seed(0)
    return Conv(widths, (2,) * len(widths), first_kernel=3)


def store_of(root: Path, films: Sequence[np.ndarray]) -> EpisodeStore:
    """Make a store of films, uint8 (T, H, W, 3) or (V, T, H, W, 3)."""
    store = EpisodeStore(root, create=True)
    for film in films:
        frames = film if film.ndim == 5 else film[None]
        store.add(footage(frames, [f"c{view}" for view in range(len(frames))]))
    return store


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return blotches, uint8 (height, width, 3)."""
    coarse = rng.integers(20, 236, (-(-height // 4), -(-width // 4), 3), np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]


def sliding(rng: np.random.Generator, path: np.ndarray, size_px: int = 32, square_px: int = 10) -> np.ndarray:
    """Return a film, uint8 (T, size, size, 3), of a textured square whose corner is where `path`, int (T, 2), says."""
    ground, thing = texture(rng, size_px, size_px) // 3, 120 + texture(rng, square_px, square_px) // 2
    film = np.repeat(ground[None], len(path), axis=0)
    for frame, (row, column) in zip(film, path, strict=True):
        frame[row : row + square_px, column : column + square_px] = thing
    return film


def metric_after(
    task: VideoTask, films: Callable[[int], np.ndarray], root: Path, steps: int, name: str = "accuracy", count: int = 24
) -> float:
    """Train on the films 0 to `count` - 1 and return a metric's mean over 32 batches of as many others."""
    train, test = (
        store_of(root / part, [films(first + number) for number in range(count)])
        for part, first in (("train", 0), ("test", count))
    )
    task.prepare(train)
    optimizer = torch.optim.Adam(task.parameters(), 3e-3)
    rates = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for step in range(steps):
        optimizer.zero_grad()
        task.loss(train.clips(task.pick(train.layout, numpy_rng(0, step))), torch_rng(0, step)).value.backward()
        optimizer.step()
        rates.step()
    task.eval().prepare(test)
    with torch.no_grad():
        told = [
            task.loss(test.clips(task.pick(test.layout, numpy_rng(1, step))), torch_rng(1, step)).metrics[name]
            for step in range(32)
        ]
    return torch.stack(told).mean().item()


def grainy(seed: int) -> np.ndarray:
    """Return a film of 20 frames in which nothing moves but the grain: equal frames would tell nothing, leak or not."""
    noise = np.random.default_rng([9, seed]).normal(0, 4, (20, 16, 16, 3))
    return (still(seed) + noise).round().clip(0, 255).astype(np.uint8)


def still(seed: int) -> np.ndarray:
    """Return a film of 20 frames in which nothing moves, another picture for each seed."""
    return np.repeat(texture(np.random.default_rng(seed), 16, 16)[None], 20, axis=0)
