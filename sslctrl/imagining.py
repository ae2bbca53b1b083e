"""Embeddings that imagine goals: what RIG and CC-RIG ask of theirs."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from torch import Tensor, nn

from sslctrl.clips import Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import check_least
from sslctrl.goal_prior import GoalPrior
from sslctrl.history import History
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore


class Imagining(Embedding):
    """An embedding of single frames with a prior to draw goals from, `goals`, and a decoder that shows them (Nair, Pong
    et al. 2018, arXiv 1807.04742, section 4). One of anyone's own serves as `Vae` does.

    It learns from `batch` frames of `camera` or, where that is empty, of all.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int,
        size_px: int,
        batch: int,
        camera: str,
        history: History = History(),  # noqa: B008
    ) -> None:
        super().__init__(backbone, dim, size_px, history)
        check_least(2, batch=batch)
        self.goals = GoalPrior(dim)
        self.batch, self.camera = batch, camera

    @abstractmethod
    def decode(self, z: Tensor, first: Tensor | None = None) -> Tensor:
        """Return what embeddings (N, D) look like: uint8 (N, 3, size_px, size_px).

        ``first``: the first frames of their episodes, uint8 (N, 3, size_px, size_px), where the history asks for them.
        """

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames of all episodes."""
        return random_frames(layout, rng, self.batch, self.camera)

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        """Fit the prior of imagined goals."""
        self.goals.fit_to(self, store, self.camera, rng)
