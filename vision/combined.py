"""Several objectives that train one backbone at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.objective import Loss, Objective, check_loss
from sslctrl.store import EpisodeStore

_BEGINNING = 20
"""Batches: a loss of one alone may be nothing, where a batch has no triplet to learn from."""


class Combined(Objective):
    """The weighted sum of the losses of `parts`, each of a batch of its own picking (Doersch, Zisserman 2017, arXiv
    1708.07860, section 3, without their lasso), each as a share of its mean over the first 20 batches: with nats,
    squared errors and norms as they are, one part would have the backbone to itself.

    All parts have been built on the same backbone, which becomes this one's. Of AdamW's betas each is the least that a
    part asks for: players against each other need little memory, others do with it. Raises InputError.
    """

    begun: Tensor
    """float32 (parts + 1,): each part's losses of the first batches, summed up, and how many these are."""

    def __init__(self, parts: Mapping[str, Objective], weights: tuple[float, ...] = ()) -> None:
        super().__init__()
        weights = weights or (1.0,) * len(parts)
        if len(weights) != len(parts) or not all(0 < weight < float("inf") for weight in weights):
            raise InputError(
                f"weights are {list(weights)} for {'+'.join(parts)}; allowed is one above 0 for each; change them"
            )
        self.names, self.weights = tuple(parts), weights
        self.backbone = next(iter(parts.values())).backbone
        for part in parts.values():
            del part.backbone  # as a module of the part's, under whose name its weights would be saved once more
            object.__setattr__(part, "backbone", self.backbone)
        self.parts = nn.ModuleList(parts.values())
        self.register_buffer("begun", torch.zeros(len(parts) + 1))
        self.betas = tuple(map(min, zip(*(part.betas for part in parts.values()), strict=True)))

    @property
    def objectives(self) -> dict[str, Objective]:
        """The parts, by name."""
        parts = (part for part in self.parts if isinstance(part, Objective))
        return dict(zip(self.names, parts, strict=True))

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """The one that all share, and what else a part has."""
        return tuple({id(one): one for part in self.objectives.values() for one in part.backbones}.values())

    def prepare(self, store: EpisodeStore) -> None:
        """Let each part look at the store."""
        for part in self.objectives.values():
            part.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick a batch for each part: the first one's, with the `others`."""
        first, *others = (part.pick(layout, rng) for part in self.objectives.values())
        return first._replace(others=tuple(others))

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the weighted sum, and each part's own loss and metrics under its name. Raises InputError for clips of
        another number of parts.
        """
        given = (clips._replace(others=()), *clips.others)
        if len(given) != len(self.parts):
            raise InputError(
                f"the clips are of {len(given)} parts; allowed are {len(self.parts)}, one for each of "
                f"{', '.join(self.names)}; pick them with this objective's own pick"
            )
        losses = [part.loss(own, rng) for part, own in zip(self.objectives.values(), given, strict=True)]
        for part, loss in zip(self.objectives.values(), losses, strict=True):
            check_loss(loss, part)
        values = torch.stack([loss.value for loss in losses])
        if self.training:
            counted = torch.cat([values.detach().abs(), values.new_ones(1)])
            self.begun = torch.where(self.begun[-1] < _BEGINNING, self.begun + counted, self.begun)
        mean = self.begun[:-1] / self.begun[-1].clamp(min=1)
        begun = torch.where(mean > 0, mean, 1)
        metrics = {}
        for name, loss in zip(self.names, losses, strict=True):
            metrics |= {f"{name}.loss": loss.value.detach()}
            metrics |= {f"{name}.{metric}": number for metric, number in loss.metrics.items()}
        return Loss((values / begun * values.new_tensor(self.weights)).sum(), metrics)

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        """Let each part finish."""
        for part in self.objectives.values():
            part.finish(store, rng)
