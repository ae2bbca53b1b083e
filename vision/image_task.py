"""What a pretext task on single images is: questions that the images themselves answer."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import check_least
from sslctrl.objective import Loss, Objective, to_float
from sslctrl.sampling import random_frames


class ImageTask(Objective):
    """An objective that makes its own questions and labels from a batch of independent images.

    `ask` is all that is done to pixels, batched and on their device; `judge` lets the nets answer and scores the
    answers. They are apart so that a test sees what the nets are shown, and a bench what the transforms cost.
    """

    shows: ClassVar[str]
    """What `show`'s rows are, in a sentence for a report."""
    sees_depth = False
    """Whether its clips carry the frames' depth."""

    def __init__(self, backbone: nn.Module, batch: int) -> None:
        super().__init__()
        check_least(1, batch=batch)
        self.backbone = backbone
        self.batch = batch

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames of all episodes and cameras."""
        return random_frames(layout, rng, self.batch)._replace(depth=self.sees_depth)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of all frames of the clips."""
        return self.judge(self.ask(self.images(clips), rng))

    def images(self, clips: Clips) -> Tensor:
        """Return all frames as float images (N, 3, H, W) in [0, 1] on the task's device. Raises InputError."""
        return to_float(clips.frames, self.device).flatten(0, -4)

    @abstractmethod
    def ask(self, images: Tensor, rng: torch.Generator) -> Any:
        """Return what the nets are given and what they are to answer, a NamedTuple of tensors, for float images (N, 3,
        H, W) in [0, 1]. Raises InputError for images that are too small.
        """

    @abstractmethod
    def judge(self, question: Any) -> Loss:
        """Return the loss of the nets' answers to what `ask` returned."""

    def shown(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return what `show` does, of all frames of the clips."""
        return self.show(self.images(clips), rng)

    @abstractmethod
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return pictures of what was learned, float (rows, columns, 3, h, w) in [0, 1], a column for each of N float
        images (N, 3, H, W), in eval mode and without gradient.
        """


def tiled(pictures: Tensor, gap: int = 2) -> Tensor:
    """Return pictures (rows, columns, 3, h, w) side by side on white: uint8 (3, height, width)."""
    padded = nn.functional.pad(pictures.clamp(0, 1), (gap, gap, gap, gap), value=1.0)
    return (padded.permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2) * 255).round().to(torch.uint8)
