"""What a trained net is held against: the same one with random weights, normalised to the video that it looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn

from sslctrl.objective import Objective, to_float
from sslctrl.rng import numpy_rng
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from sslctrl.training_state import spec_of
from vision.build import ObjectiveSpec, build_objective

Same = TypeVar("Same", bound=Objective)
_BATCHES, _FRAMES = 30, 64


def untrained(objective: Same, store: EpisodeStore, seed: int) -> Same:
    """Return an objective built anew from another's spec, with random weights, settled on a store; in eval mode."""
    fresh = build_objective(replace(ObjectiveSpec(**spec_of(objective)), init="", frozen=False, seed=seed))
    assert isinstance(fresh, type(objective))
    fresh.to(next(objective.parameters()).device)
    for backbone in fresh.backbones:
        settle(backbone, store, seed)
    return fresh.eval()


@torch.no_grad()
def settle(backbone: nn.Module, store: EpisodeStore, seed: int) -> None:
    """Let batch norm find the statistics of a store's plain frames: an untrained net has none, and some tasks saw grey
    ones or differences. All else is in eval mode, and is left there: dropout would draw from the global generator.
    """
    backbone.eval()
    norms = [module for module in backbone.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over the batches
        norm.train()
    for batch in range(_BATCHES):
        clips = store.clips(random_frames(store.layout, numpy_rng(seed, batch, 11), _FRAMES))
        backbone(to_float(clips.frames, next(backbone.parameters()).device).flatten(0, 2))
    backbone.eval()
