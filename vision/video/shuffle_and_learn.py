"""Shuffle and learn (Misra, Zitnick, Hebert 2016, arXiv 1603.08561): are three frames in the order they were seen?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.heads import channels_of
from sslctrl.objective import Loss
from sslctrl.store import EpisodeStore
from vision.motion import Motion, prepared
from vision.patches import LateFusion
from vision.video_task import VideoTask

_VALID = 0.25


class Tuples(NamedTuple):
    """Three frames, and whether the second was seen between the others."""

    frames: Tensor
    """float (N, 3, 3, H, W)."""
    valid: Tensor
    """int (N,): 1 or 0."""


class ShuffleAndLearn(VideoTask):
    """Of five frames a < b < c < d < e of a stretch that moves, (b, c, d) is valid, (b, a, d) and (b, e, d) are not.

    Section 3.1: d is `reach` steps after b, and a and e are `gap` before and after these (the paper's tau_max, 60
    frames, and tau_min, 15, of 30 Hz video); c lies anywhere between. A quarter of the questions is valid; every
    second one runs backwards. Three shared trunks, then late fusion (section 3.2). Raises InputError.
    """

    shows = "From above to below: three frames of a moving stretch, in the order that the net finds likeliest."

    def __init__(self, backbone: nn.Module, batch: int = 32, reach: int = 8, gap: int = 3, hidden: int = 128) -> None:
        super().__init__(backbone, batch)
        if reach < 2 or gap < 1:
            raise InputError(f"reach is {reach}, gap {gap}; allowed are 2 or more, and 1 or more; change them")
        self.reach, self.gap = reach, gap
        self.head = LateFusion(channels_of(backbone), patches=3, hidden=hidden, classes=2)
        self.motion: Motion | None = None

    def prepare(self, store: EpisodeStore) -> None:
        """See where the store moves."""
        self.motion = Motion(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick the three frames in the order that is asked about; label: 1 where that is valid."""
        windows = prepared(self.motion, layout).windows(rng, self.batch, self.reach + 2 * self.gap + 1)
        count, b = self.batch, self.gap
        d = b + self.reach
        valid = rng.random(count) < _VALID
        outside = np.where(rng.random(count) < 0.5, 0, d + self.gap)
        second = np.where(valid, rng.integers(b + 1, d, count), outside)
        offsets = np.stack([np.full(count, b), second, np.full(count, d)], axis=1)
        backwards = rng.random(count) < 0.5
        return windows.pick(np.where(backwards[:, None], offsets[:, ::-1], offsets), valid)

    def ask(self, clips: Clips, rng: torch.Generator) -> Tuples:
        """Take the frames as they were picked; nothing is drawn."""
        return Tuples(*self.video(clips, frames=3))

    def judge(self, question: Tuples) -> Loss:
        """Return the 2-way cross-entropy. Chance: .56, of always answering that a quarter is valid."""
        logits = self.logits(question.frames)
        said = logits.argmax(1)
        return Loss(
            nn.functional.cross_entropy(logits, question.valid),
            {"accuracy": (said == question.valid).float().mean(), "balanced": balanced(said, question.valid)},
        )

    def logits(self, frames: Tensor) -> Tensor:
        """Return the logits (N, 2), invalid and valid, of frames (N, 3, 3, H, W)."""
        features = self.head.each(self.backbone(frames.flatten(0, 1)))
        return self.head(features.unflatten(0, (-1, 3)))

    @torch.no_grad()
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return the picked frames in the likeliest of the three orders that differ by more than their direction."""
        frames = self.ask(clips, rng).frames
        orders = torch.tensor([[0, 1, 2], [1, 0, 2], [0, 2, 1]], device=frames.device)
        asked = frames[:, orders].flatten(0, 1)
        best = self.logits(asked).log_softmax(1)[:, 1].unflatten(0, (-1, len(orders))).argmax(1)
        return frames.take_along_dim(orders[best][:, :, None, None, None], 1).transpose(0, 1)


def balanced(said: Tensor, true: Tensor) -> Tensor:
    """Return the mean of the shares of 0 and of 1, int (N,), that are said right, of those that occur."""
    rates = [(said[true == kind] == kind).float().mean() for kind in (0, 1) if (true == kind).any()]
    return torch.stack(rates).mean()
