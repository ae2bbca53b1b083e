"""Visual tracking (Wang, Gupta 2015, arXiv 1505.00687): the two ends of a patch's track look alike, to the net."""

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
from vision.things import Things
from vision.video_task import VideoTask

_HARDEST, _DRAWN = 4, 2


class Ends(NamedTuple):
    """The first and the last patch of each track, and what decides about their negatives."""

    patches: Tensor
    """float (N, 2, 3, S, S)."""
    draws: Tensor
    """float (N, N) in [0, 1)."""


class Tracking(VideoTask):
    """Ranking loss on unit vectors, D = 1 - cosine: max(0, D(first, last) - D(first, another's last) + `margin`).

    Others are of tracks that are not known to be of the same thing (`Tracks.set_apart`): four, drawn at random for the
    first `easy` batches; then two, and two of the four that cost most (section 4.2). The paper's weight decay is the
    optimiser's. `frames` and `side`: see `Things`. Raises InputError.
    """

    shows = "Above: first and last frame of mined tracks, framed. Below: the last patches nearest to the first one."
    learned: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 48,
        frames: int = 30,
        side: float = 0.35,
        dim: int = 128,
        margin: float = 0.5,
        easy: int = 200,
    ) -> None:
        super().__init__(backbone, batch)
        if not margin > 0 or easy < 0:
            raise InputError(f"margin is {margin}, easy {easy}; allowed are above 0, and 0 or more; change them")
        self.margin, self.easy = margin, easy
        self.things = Things(backbone, frames, side, dim)
        self.register_buffer("learned", torch.zeros((), dtype=torch.int64))

    def prepare(self, store: EpisodeStore) -> None:
        """Mine the store's tracks."""
        self.things.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick the first and the last frame of tracks apart from each other; label: where their patches are."""
        tracks = self.things.tracks(layout)
        chosen = tracks.set_apart(rng, self.batch)
        return tracks.pick(chosen, np.stack([np.zeros_like(chosen), tracks.length[chosen] - 1], axis=1))

    def ask(self, clips: Clips, rng: torch.Generator) -> Ends:
        """Cut the patches out, and draw numbers for their negatives."""
        video, corner = self.video(clips, frames=2)
        draws = torch.rand(len(video), len(video), generator=rng, device=rng.device)
        return Ends(self.things.patches(video, corner), draws)

    def judge(self, question: Ends) -> Loss:
        """Return the mean over anchors and negatives; in training, count the batch. Collapsed vectors cost `margin`.

        `ranked`: share of all negatives of the batch that are further than the positive.
        """
        first, last = self.things.embedded(self.backbone, question.patches).unbind(1)
        distance = 1 - first @ last.T
        cost = functional.relu(distance.diagonal()[:, None] - distance + self.margin)
        others = ~torch.eye(len(cost), dtype=torch.bool, device=cost.device)
        used = negatives(cost.detach(), question.draws, hard=bool(self.learned >= self.easy))
        if self.training:
            self.learned += 1
        ranked = (distance.diagonal()[:, None] < distance)[others].float().mean()
        return Loss(cost[used].mean(), {"ranked": ranked, "distance": distance.diagonal().detach().mean()})

    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return both frames of each track, and the last patches that are nearest to its first."""
        return self.things.show(self.backbone, *self.video(clips, frames=2))


def negatives(cost: Tensor, draws: Tensor, hard: bool) -> Tensor:
    """Return which others count for each anchor, bool (N, N), of costs and draws (N, N): those of the four least draws;
    where `hard`, of the two least among the four that cost most, and of the two least among the rest.
    """
    itself = torch.eye(len(cost), dtype=torch.bool, device=cost.device)
    draws = draws.masked_fill(itself, torch.inf)
    if not hard:
        return _least(draws, _HARDEST)
    costly = _least((-cost).masked_fill(itself, torch.inf), _HARDEST)
    return _least(draws.masked_fill(~costly, torch.inf), _DRAWN) | _least(draws.masked_fill(costly, torch.inf), _DRAWN)


def _least(values: Tensor, count: int) -> Tensor:
    """Return where in each row of (N, N) the least `count` finite values are: bool (N, N)."""
    index = values.topk(min(count, values.shape[1]), largest=False).indices
    return torch.zeros_like(values, dtype=torch.bool).scatter_(1, index, value=True) & values.isfinite()
