"""Shuffle and learn (Misra, Zitnick, Hebert 2016, arXiv 1603.08561): are three frames in the order they were seen?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.objective import Loss
from sslctrl.store import EpisodeStore
from vision.motion import Motion
from vision.patches import LateFusion
from vision.video_task import VideoTask

_ORDERS, _VALID = ((1, 2, 3), (1, 0, 3), (1, 4, 3)), (1, 0, 0)
"""Of the five frames; which of these orders is valid."""
_SHARE = 0.25
"""Of valid questions (section 3.2)."""


class Stretches(NamedTuple):
    """Five frames of each stretch, in the order of time or backwards."""

    frames: Tensor
    """float (N, 5, 3, H, W)."""


class ShuffleAndLearn(VideoTask):
    """Of five frames a < b < c < d < e of a stretch that moves, (b, c, d) is valid, (b, a, d) and (b, e, d) are not.

    Section 3.1: d is `reach` steps after b, and a and e are `gap` before and after these (the paper's tau_max, 60
    frames, and tau_min, 15, of people; this project's arms cross a picture in ten); c lies anywhere between. All three
    questions are asked of a stretch, so that only the middle frame tells them apart, and weigh as if a quarter were
    valid; half of the stretches run backwards. Shared trunks, then late fusion (section 3.2). Raises InputError.
    """

    shows = "From above to below: three frames of a moving stretch, in three orders, the likeliest to the net first."

    def __init__(self, backbone: nn.Module, batch: int = 24, reach: int = 4, gap: int = 3, hidden: int = 128) -> None:
        super().__init__(backbone, batch)
        if reach < 2 or gap < 1:
            raise InputError(f"reach is {reach}, gap {gap}; allowed are 2 or more, and 1 or more; change them")
        self.reach, self.gap = reach, gap
        self.head = LateFusion(backbone, patches=3, hidden=hidden, classes=2)
        self.motion = Motion()

    def prepare(self, store: EpisodeStore) -> None:
        """See where the store moves."""
        self.motion.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick the five frames of each stretch; label: 1 for those that run backwards."""
        windows = self.motion.windows(layout, rng, self.batch, self.reach + 2 * self.gap + 1)
        b, d = self.gap, self.gap + self.reach
        fixed = np.tile([0, b, b, d, d + self.gap], (self.batch, 1))
        fixed[:, 2] = rng.integers(b + 1, d, self.batch)
        backwards = rng.random(self.batch) < 0.5
        return windows.pick(np.where(backwards[:, None], fixed[:, ::-1], fixed), backwards)

    def ask(self, clips: Clips, rng: torch.Generator) -> Stretches:
        """Take the frames as they were picked; nothing is drawn."""
        return Stretches(self.video(clips, frames=5)[0])

    def judge(self, question: Stretches) -> Loss:
        """Return the 2-way cross-entropy. Chance: .562. `balanced`: the mean of the shares of valid and of invalid
        questions that are told to be so, one being told valid where it is likelier than a quarter.
        """
        logits = self.logits(question.frames)
        valid = torch.tensor(_VALID, device=logits.device).expand(len(logits), -1)
        weights = torch.tensor([(1 - _SHARE) / _VALID.count(0), _SHARE], device=logits.device)
        value = functional.cross_entropy(logits.flatten(0, 1), valid.flatten(), weights)
        right = (logits.detach().softmax(2)[..., 1] > _SHARE) == (valid == 1)
        return Loss(value, {"balanced": 0.5 * (right[valid == 1].float().mean() + right[valid == 0].float().mean())})

    def logits(self, frames: Tensor) -> Tensor:
        """Return the logits of the three questions about five frames (N, 5, 3, H, W), invalid and valid: (N, 3, 2)."""
        features = self.head.each(self.backbone(frames.flatten(0, 1))).unflatten(0, (-1, 5))
        asked = features[:, torch.tensor(_ORDERS, device=frames.device)]
        return self.head(asked.flatten(0, 1)).unflatten(0, (-1, len(_ORDERS)))

    @torch.no_grad()
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return, of each stretch, the frames of all three questions, the one that is likeliest to be valid first."""
        frames = self.ask(clips, rng).frames
        ranked = self.logits(frames).log_softmax(2)[..., 1].argsort(1, descending=True)
        order = torch.tensor(_ORDERS, device=frames.device)[ranked].flatten(1)
        return frames.take_along_dim(order[:, :, None, None, None], 1).transpose(0, 1)
