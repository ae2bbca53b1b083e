"""Odd-one-out network, O3N (Fernando et al. 2017, arXiv 1611.06646): which of six clips is out of order?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError, check_least
from sslctrl.objective import Loss, classification
from sslctrl.store import EpisodeStore
from vision.motion import Motion
from vision.patches import LateFusion
from vision.video_task import VideoTask

CLIPS, _FRAMES = 6, 6
_STARTS = 10  # frames that clips may begin at: of fewer, not always six that share no stack
_STACKS = ((0, 1, 2), (2, 3, 4))  # of a clip's five differences, as the three channels that backbones take


class Odd(NamedTuple):
    """Six clips of one recording as what changes in them, and which is out of order."""

    changes: Tensor
    """float (N, 12, 3, H, W): of each clip two images, the channels of which are differences of grey, .5 for none."""
    odd: Tensor
    """int (N,)."""


class OddOneOut(VideoTask):
    """Six clips of six frames, `every` steps apart, from one stretch of `within` frames, or of as many as the shortest
    episode that has enough; one has its frames shuffled.

    A clip is seen as the stack of its differences (section 3.3): five, so that the trunk sees the first three of them
    and the last three. Features of all are fused late (section 3.1). The shuffle is neither the order itself nor its
    reversal. All clips, the odd one too, are drawn alike, and no two begin at one frame or 2 `every` apart: of those
    that do, some stacks are the same, and the odd clip would be known as the one that shares none. Raises InputError.
    """

    shows = "From above to below: the frames of the clip that the net takes for the one out of order, as it sees them."

    def __init__(
        self, backbone: nn.Module, batch: int = 8, every: int = 1, within: int = 24, hidden: int = 128
    ) -> None:
        super().__init__(backbone, batch)
        check_least(1, every=every)
        self.every, self.within, self.least = every, within, (_FRAMES - 1) * every + _STARTS
        if within < self.least:
            raise InputError(f"within is {within}, every {every}; allowed is within={self.least} or more; change one")
        self.head = LateFusion(backbone, CLIPS * len(_STACKS), hidden, classes=CLIPS)
        self.motion = Motion()

    def prepare(self, store: EpisodeStore) -> None:
        """See where the store moves."""
        self.motion.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick six clips one after the other, in the order of their frames but for one; label: which."""
        enough = layout.lengths[layout.lengths >= self.least].tolist()
        length = min(self.within, *enough) if enough else self.least
        windows = self.motion.windows(layout, rng, self.batch, length)
        odd = rng.integers(CLIPS, size=self.batch)
        starts = np.stack([apart(length - (_FRAMES - 1) * self.every, 2 * self.every, rng) for _ in range(self.batch)])
        order = np.tile(np.arange(_FRAMES), (self.batch, CLIPS, 1))
        for question, which in enumerate(odd):
            order[question, which] = shuffle(rng)
        steps = starts[..., None] + order * self.every
        return windows.pick(steps.reshape(self.batch, -1), odd)

    def ask(self, clips: Clips, rng: torch.Generator) -> Odd:
        """Turn clips into differences of grey; nothing is drawn."""
        video, odd = self.video(clips, frames=CLIPS * _FRAMES)
        grey = video.mean(2).unflatten(1, (CLIPS, _FRAMES))
        changes = 0.5 + 0.5 * grey.diff(dim=2)
        return Odd(changes[:, :, torch.tensor(_STACKS)].flatten(1, 2), odd)

    def judge(self, question: Odd) -> Loss:
        """Return the 6-way cross-entropy. Chance: log 6."""
        return classification(self.logits(question.changes), question.odd)

    def logits(self, changes: Tensor) -> Tensor:
        """Return the logits (N, 6) of changes as `ask` makes them."""
        features = self.head.each(self.backbone(changes.flatten(0, 1)))
        return self.head(features.unflatten(0, (-1, CLIPS * len(_STACKS))))

    @torch.no_grad()
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return the frames of the clips that the net takes for the odd ones."""
        said = self.logits(self.ask(clips, rng).changes).argmax(1)
        video = self.video(clips, frames=CLIPS * _FRAMES)[0].unflatten(1, (CLIPS, _FRAMES))
        return video[torch.arange(len(said), device=said.device), said].transpose(0, 1)


def apart(places: int, distance: int, rng: np.random.Generator) -> np.ndarray:
    """Draw where six clips begin, int (6,) from 0 to places - 1: all different, and no two `distance` apart."""
    while True:
        drawn: list[int] = []
        for place in rng.permutation(places).tolist():
            if len(drawn) < CLIPS and not {place - distance, place + distance} & set(drawn):
                drawn.append(place)
        if len(drawn) == CLIPS:
            return np.array(drawn)


def shuffle(rng: np.random.Generator) -> np.ndarray:
    """Draw an order of six frames, int (6,), that is neither the order of time nor its reversal."""
    while True:
        order = rng.permutation(_FRAMES)
        if not (np.diff(order) == 1).all() and not (np.diff(order) == -1).all():
            return order
