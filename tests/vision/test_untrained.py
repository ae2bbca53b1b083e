"""The same net with random weights, normalised to what it looks at."""

from __future__ import annotations

import torch

from sslctrl.embeddings.base import Embedding
from sslctrl.objective import channels_first, to_float
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective
from vision.untrained import settle, untrained


def net(seed: int) -> Embedding:
    spec = ObjectiveSpec("tcn", {"size_px": 32}, "conv", {"widths": [8, 12], "strides": [2, 2]}, seed=seed)
    objective = build_objective(spec)
    assert isinstance(objective, Embedding)
    return objective


def test_weights_are_the_seeds_and_maps_are_normal_on_the_video(tiny_store: EpisodeStore) -> None:
    trained = net(3)
    with torch.no_grad():
        for weight in trained.parameters():
            weight.add_(1)
    fresh = untrained(trained, tiny_store, 7)
    assert type(fresh) is type(trained) and not fresh.training
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(fresh.parameters(), net(7).parameters(), strict=True))
    frames = torch.cat([channels_first(tiny_store.read(id).frames[0]) for id in tiny_store.ids])
    first = next(module for module in fresh.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    first.register_forward_hook(lambda _module, _given, out: seen.append(out.clone()))
    with torch.no_grad():
        fresh.backbone(to_float(frames, "cpu"))
    spread = seen[0].std((0, 2, 3))
    assert seen[0].mean((0, 2, 3)).abs().max() < 0.3 and spread.min() > 0.7 and spread.max() < 1.4


def test_dropout_does_not_decide_what_is_found(tiny_store: EpisodeStore) -> None:
    backbone = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.BatchNorm2d(3))
    means = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        settle(backbone, tiny_store, 7)
        means.append(backbone[1].running_mean.clone())
    assert torch.equal(*means) and not backbone.training
