"""Supervised classes: what labels would buy, and who says what a generated image shows."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from scripts.bench._data import CLASSES, store_of
from scripts.bench._tier import Tier
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.fit import fit
from sslctrl.fit_config import FitConfig
from sslctrl.heads import grid_head
from sslctrl.objective import Loss, Objective, classification, to_float
from sslctrl.sampling import random_frames
from vision.build import ObjectiveSpec, build_objective, load_objective

_STEPS = 800


class Classifier(Objective):
    """Which class is the image of? It is where the true state, one column a class, is the largest."""

    def __init__(self, backbone: nn.Module, batch: int = 128) -> None:
        super().__init__()
        self.backbone, self.batch = backbone, batch
        self.head = grid_head(backbone, len(CLASSES))

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames."""
        return random_frames(layout, rng, self.batch)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the cross-entropy."""
        assert clips.state is not None
        logits = self.logits(to_float(clips.frames, self.device).flatten(0, -4))
        true = clips.state.flatten(0, -2).argmax(1).to(logits.device)
        return classification(logits, true)

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) of float images (N, 3, H, W) in [0, 1]."""
        return self.head(self.backbone(images)).float()


@cache
def classifier(seed: int, tier: Tier) -> Classifier:
    """Return one that knows Fashion-MNIST's classes, in eval mode."""
    name = f"{Classifier.__module__}:{Classifier.__name__}"
    objective = build_objective(ObjectiveSpec(name, seed=seed))
    settings = FitConfig(tier.learned(_STEPS), lr=2e-3, seed=seed, warmup=tier.learned(100))
    with TemporaryDirectory() as folder:
        path = fit(objective, store_of("fashion", "train"), Path(folder), settings)
        trained = load_objective(path, allow=[name])
    assert isinstance(trained, Classifier)
    return trained
