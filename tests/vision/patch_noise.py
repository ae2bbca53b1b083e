"""Noise in which patches can be told apart by nothing, or by one known leak; and how well a task does on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision.backbones.conv import Conv
from vision.image_task import ImageTask

REACH_PX = 7
"""Pixels of `smooth` that are this far apart know nothing of each other."""
APART: dict[str, Any] = {"patch": 8 / 42, "gap": 1.0, "jitter": 1 / 8}
"""A grid for images of 42 px whose patches, of 8 px, are never nearer than REACH_PX."""
TOUCHING: dict[str, Any] = {"patch": 8 / 42, "gap": 0.0, "jitter": 0.0}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def net() -> nn.Module:
    torch.manual_seed(0)
    return Conv((32,), (2,))


def white(seed: int, count: int = 16, side: int = 42) -> Tensor:
    return torch.rand(count, 3, side, side, generator=rng(seed))


def smooth(seed: int, count: int = 16, side: int = 42) -> Tensor:
    """Grey noise, each pixel the mean of its surroundings, with the contrast of `white`."""
    noise = torch.rand(count, 1, side + REACH_PX - 1, side + REACH_PX - 1, generator=rng(seed))
    blurred = 0.5 + REACH_PX * (functional.avg_pool2d(noise, REACH_PX, 1) - 0.5)
    return blurred.expand(-1, 3, -1, -1)


def lamp(seed: int, count: int = 16, side: int = 48) -> Tensor:
    """Noise that is darkest in the upper left corner and brightest in the lower right one."""
    down, right = torch.linspace(0, 0.5, side)[:, None], torch.linspace(0, 0.3, side)
    return (down + right + 0.1 * white(seed, count, side)).clamp(0, 1)


def shifted_green(images: Tensor, size: float = 1.15) -> Tensor:
    """Enlarge the green channel about the centre: lateral chromatic aberration."""
    zoom = torch.eye(2, 3).div(size).expand(len(images), -1, -1)
    grid = functional.affine_grid(zoom, [len(images), 1, *images.shape[2:]], align_corners=False)
    green = functional.grid_sample(images[:, 1:2], grid, align_corners=False)
    return torch.cat([images[:, :1], green, images[:, 2:]], dim=1)


def accuracy_after(task: ImageTask, images: Callable[[int], Tensor], steps: int) -> float:
    """Train on `images(0)`, `images(1)`, ... and return the accuracy on 32 more batches."""
    optimizer = torch.optim.Adam(task.parameters(), 3e-3)
    rates = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for step in range(steps):
        optimizer.zero_grad()
        task.judge(task.ask(images(step), rng(step))).value.backward()
        optimizer.step()
        rates.step()
    task.eval()
    with torch.no_grad():
        answers = [task.judge(task.ask(images(step), rng(step))) for step in range(steps, steps + 32)]
    return torch.stack([answer.metrics["accuracy"] for answer in answers]).mean().item()
