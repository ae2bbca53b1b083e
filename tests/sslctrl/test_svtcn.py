from __future__ import annotations

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.svtcn import SvTcn
from sslctrl.errors import InputError
from sslctrl.losses.npairs import npairs
from vision.backbones.conv import Conv

CAMERAS = ("front", "left", "right")


def small(**options) -> SvTcn:
    torch.manual_seed(0)
    return SvTcn(Conv((4, 8), (2, 2)), **({"dim": 4, "points": 4, "hidden": 8, "size_px": 32} | options))


@pytest.mark.parametrize(("length", "dt_s", "reach"), [(9, 0.1, 2), (60, 0.1, 2), (301, 1 / 24, 5), (40, 0.5, 1)])
def test_positives_are_near_and_every_other_positive_is_far(length: int, dt_s: float, reach: int) -> None:
    layout = Layout(np.array([length, length + 7, 2]), 3, CAMERAS, dt_s)
    model, rng = small(videos_per_batch=3), np.random.default_rng(0)
    firsts, gaps, episodes = set(), set(), set()
    for _ in range(400):
        pick = model.pick(layout, rng)
        assert pick.step.shape[:2] == (3, 1) and set(pick.view.ravel()) <= {0, 1, 2}
        episodes |= set(pick.episode.tolist())
        for episode, steps in zip(pick.episode, pick.step[:, 0], strict=True):
            anchors, positives = np.split(steps, 2)
            assert 2 <= len(anchors) <= 18 and steps.min() >= 0 and steps.max() < layout.lengths[episode]
            for i, anchor in enumerate(anchors):
                assert 1 <= abs(positives[i] - anchor) <= reach
                others = [positives[j] for j in range(len(anchors)) if j != i]
                assert min(abs(other - anchor) for other in others) > 2 * reach
            firsts |= set(anchors.tolist())
            gaps |= set((positives - anchors).tolist())
    assert episodes == {0, 1}  # the third is too short for two pairs
    assert gaps == set(range(-reach, reach + 1)) - {0}
    assert {0, length - 1} <= firsts  # an episode's ends are anchors, too


def test_films_of_different_rates_keep_their_own_seconds() -> None:
    layout = Layout(np.array([301, 301]), 1, ("video",), np.array([1 / 30, 1 / 60]))
    reached: dict[int, set[int]] = {0: set(), 1: set()}
    for seed in range(100):
        pick = small().pick(layout, np.random.default_rng(seed))
        for episode, steps in zip(pick.episode.tolist(), pick.step[:, 0], strict=True):
            anchors, positives = np.split(steps, 2)
            reached[episode] |= set(np.abs(positives - anchors).tolist())
    assert reached == {0: set(range(1, 7)), 1: set(range(1, 13))}


def test_as_many_pairs_as_fit() -> None:
    layout = Layout(np.array([301]), 3, CAMERAS, 1 / 24)
    assert small(pairs_per_video=50).pick(layout, np.random.default_rng(0)).step.shape == (4, 1, 2 * 19)  # 300 / 16 + 1
    assert small(pairs_per_video=7).pick(layout, np.random.default_rng(0)).step.shape == (4, 1, 14)


def test_the_loss_is_npairs_of_anchors_and_positives() -> None:
    model = small(augment=False).eval()
    pixels = torch.randint(0, 256, (2, 1, 6, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    clips = Clips(pixels.movedim(-1, -3))
    z = model.embed(clips.frames.flatten(0, 2)).view(2, 6, 4)
    wanted = torch.stack([npairs(one[:3], one[3:], model.contrast.l2) for one in z]).mean()
    torch.testing.assert_close(model.loss(clips, torch.Generator()).value.detach(), wanted)


def test_too_short_episodes_are_refused() -> None:
    with pytest.raises(InputError, match="longest episode has 7 frames; allowed are 8 or more"):
        small().pick(Layout(np.array([7]), 3, CAMERAS, 0.1), np.random.default_rng(0))


@pytest.mark.parametrize("options", [{"videos_per_batch": 0}, {"pairs_per_video": 1}, {"positive_s": 0.0}])
def test_options_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match="change them"):
        small(**options)


@pytest.mark.parametrize("frames", [2, 5])
def test_odd_clips_are_refused(frames: int) -> None:
    with pytest.raises(InputError, match="anchors first"):
        small().loss(Clips(torch.zeros(1, 1, frames, 3, 32, 32, dtype=torch.uint8)), torch.Generator())
