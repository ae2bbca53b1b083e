"""What all time-contrastive nets take, whichever frames they contrast."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.mftcn import MfTcn
from sslctrl.embeddings.svtcn import SvTcn
from sslctrl.embeddings.tcn import Tcn
from vision.backbones.conv import Conv


class Kind(NamedTuple):
    build: type[Embedding]
    views: int
    frames: int
    """Of a clip that its loss takes."""


KINDS = [Kind(Tcn, 2, 6), Kind(SvTcn, 1, 6), Kind(MfTcn, 2, 14)]
of_each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.build.__name__)


def small(kind: Kind, **options: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32}
    return kind.build(Conv((4, 8), (2, 2)), **sizes, **options)


def still(kind: Kind) -> Clips:
    """Everywhere the same noise."""
    frame = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return Clips(frame.expand(1, kind.views, kind.frames, 3, 32, 32))


def seen_by(model: Any, clips: Clips) -> torch.Tensor:
    """What the backbone sees while the loss is computed, float (N, 3, H, W)."""
    seen: list[torch.Tensor] = []
    model.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    model.loss(clips, torch.Generator().manual_seed(0))
    return torch.cat(seen)


@of_each
def test_no_camera_but_those_that_are_named_is_picked(kind: Kind) -> None:
    model, layout = small(kind, cameras=("right", "front")), Layout(np.array([60]), 3, ("front", "left", "right"))
    views = {int(view) for seed in range(20) for view in model.pick(layout, np.random.default_rng(seed)).view.ravel()}
    assert views == {0, 2}


@of_each
def test_the_triplet_loss_is_of_unit_vectors_and_has_the_margin_that_is_given(kind: Kind) -> None:
    model = small(kind, loss="triplet", margin=0.4, augment=False).eval()
    frames = torch.randint(0, 256, (5, *model.history.moment, 3, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(model.embed(frames).norm(dim=1), torch.ones(5))
    assert model.loss(still(kind), torch.Generator()).value.item() == pytest.approx(0.4, abs=1e-5)  # told apart: none


@of_each
def test_hues_turn_though_nothing_else_is_augmented(kind: Kind) -> None:
    frame = still(kind).frames[0, 0, 0] / 255
    plain, turned = (seen_by(small(kind, augment=False, hue=hue), still(kind)) for hue in (0.0, 0.5))
    assert (plain == frame).all()
    assert (turned - frame).abs().mean() > 0.05


@of_each
def test_what_attracts_each_other_is_augmented_differently(kind: Kind) -> None:
    first, second = seen_by(small(kind, augment=True), still(kind)).chunk(2)
    torch.testing.assert_close(first, first[:1].expand_as(first))  # a view is changed as one
    assert (first - second).abs().mean() > 0.01
