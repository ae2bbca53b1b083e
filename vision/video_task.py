"""What a pretext task on video is: questions about moments of one recording."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslctrl.clips import Clips
from sslctrl.errors import InputError, check_least
from sslctrl.objective import Loss, Objective, to_float


class VideoTask(Objective):
    """An objective that makes its own questions and labels from clips of one camera each.

    `pick` says which frames in which order, and so often knows the answers; `ask` is all that is done to pixels;
    `judge` lets the nets answer and scores the answers. They are apart as in `ImageTask`.
    """

    shows: ClassVar[str]
    """What `show`'s rows are, in a sentence for a report."""

    def __init__(self, backbone: nn.Module, batch: int) -> None:
        super().__init__()
        check_least(2, batch=batch)
        self.backbone = backbone
        self.batch = batch

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of the clips. Raises InputError for clips that are not as this task picks them."""
        return self.judge(self.ask(clips, rng))

    def video(self, clips: Clips, frames: int) -> tuple[Tensor, Tensor]:
        """Return float clips (B, T, 3, H, W) in [0, 1] on the task's device, and their labels. Raises InputError unless
        each is one camera's, `frames` long, with a label.
        """
        seen, labels = to_float(clips.frames, self.device), clips.label
        if seen.ndim != 6 or seen.shape[1:3] != (1, frames) or labels is None or len(labels) != len(seen):
            raise InputError(
                f"the clips are {tuple(seen.shape)}, with labels: {labels is not None}; allowed are "
                f"(B, 1, {frames}, 3, H, W) with a label each; pick them with this task's own pick"
            )
        return seen[:, 0], labels.to(seen.device)

    @abstractmethod
    def ask(self, clips: Clips, rng: torch.Generator) -> Any:
        """Return what the nets are given and what they are to answer, a NamedTuple of tensors. Raises InputError."""

    @abstractmethod
    def judge(self, question: Any) -> Loss:
        """Return the loss of the nets' answers to what `ask` returned."""

    @abstractmethod
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return pictures of what was learned, float (rows, columns, 3, h, w) in [0, 1], a column for each of some of
        the clips, in eval mode and without gradient.
        """
