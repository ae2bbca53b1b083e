"""FaceNet's triplet loss (Schroff, Kalenichenko, Philbin 2015, arXiv 1503.03832), of things instead of faces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.objective import Loss
from sslctrl.store import EpisodeStore
from sslctrl.time_contrast import nearest_is_own
from vision.things import Things
from vision.video_task import VideoTask


class Twice(NamedTuple):
    """Things, each at two moments."""

    patches: Tensor
    """float (N, 2, 3, S, S)."""


class FacenetTriplet(VideoTask):
    """A thing is who it is, whenever it is seen: anchor and positive are two moments of the track of a moving patch,
    negatives those of tracks that are from other episodes or were seen beside it (`Tracks.set_apart`).

    Semi-hard triplets of squared distances on the unit sphere, `margin` 0.2, 128 dimensions (sections 3.1 to 3.3).
    Collapsed vectors cost the margin. `frames` and `side`: see `Things`. Raises InputError.
    """

    shows = "Above: things at two moments, framed. Below: the patches of second moments nearest to the first."

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 48,
        frames: int = 30,
        side: float = 0.35,
        dim: int = 128,
        margin: float = 0.2,
    ) -> None:
        super().__init__(backbone, batch)
        if not margin > 0:
            raise InputError(f"margin is {margin}; allowed is above 0; change it")
        self.margin = margin
        self.things = Things(backbone, frames, side, dim)

    def prepare(self, store: EpisodeStore) -> None:
        """Mine the store's tracks."""
        self.things.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick any two moments of tracks apart from each other; label: where their patches are."""
        tracks = self.things.tracks(layout)
        chosen = tracks.set_apart(rng, self.batch)
        length = tracks.length[chosen]
        first = rng.integers(length)
        return tracks.pick(chosen, np.stack([first, (first + rng.integers(1, length)) % length], axis=1))

    def ask(self, clips: Clips, rng: torch.Generator) -> Twice:
        """Cut the patches out; nothing is drawn."""
        video, corner = self.video(clips, frames=2)
        return Twice(self.things.patches(video, corner))

    def judge(self, question: Twice) -> Loss:
        """Return the mean over all anchors. `nearest_is_own`: how often no other thing is nearer than the same."""
        first, second = self.things.embedded(self.backbone, question.patches).unbind(1)
        return Loss(semihard_triplet(first, second, self.margin), {"nearest_is_own": nearest_is_own(first, second)})

    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return both frames of each thing, and the patches that are nearest to its first."""
        return self.things.show(self.backbone, *self.video(clips, frames=2))
