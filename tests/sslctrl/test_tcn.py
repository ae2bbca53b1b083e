from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning.distances import DotProductSimilarity, LpDistance
from pytorch_metric_learning.losses import NPairsLoss, TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer

from sslctrl.body import unexplained
from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.tcn import Tcn
from sslctrl.errors import InputError
from sslctrl.heads import PositionHead, SpatialSoftArgmax
from sslctrl.losses.npairs import npairs
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.store import EpisodeStore
from vision.backbones.conv import Conv

CAMERAS = ("front", "left", "right")


def small(**options) -> Tcn:
    torch.manual_seed(0)
    given: dict[str, Any] = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32} | options
    model = Tcn(Conv((4, 8), (2, 2)), **given)
    model.head.positions.log_temperature.data.fill_(-6)  # or random pixels hardly move the key points, and all losses
    model.head.linear[-1].weight.data *= 10  # are those of a net that tells nothing apart
    return model


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clips(batch: int = 1, frames: int = 6, seed: int = 0) -> Clips:
    pixels = torch.randint(0, 256, (batch, 2, frames, 32, 32, 3), generator=torch.Generator().manual_seed(seed))
    return Clips(pixels.to(torch.uint8).movedim(-1, -3))


# --- losses


def test_npairs_is_the_naive_loop() -> None:
    a, p = vectors(7, 5), vectors(7, 5, seed=1)
    total = 0.0
    for i in range(7):
        scores = [math.exp(float(a[i] @ p[j])) for j in range(7)]
        total += -math.log(scores[i] / sum(scores)) + 0.01 * (float(a[i] @ a[i]) + float(p[i] @ p[i]))
    assert npairs(a, p, 0.01).item() == pytest.approx(total / 7, rel=1e-5)


def test_npairs_agrees_with_pytorch_metric_learning() -> None:
    a, p = vectors(6, 5), vectors(6, 5, seed=1)
    wanted = NPairsLoss(distance=DotProductSimilarity(normalize_embeddings=False))(
        torch.cat([a, p]), torch.arange(6).repeat(2)
    )
    torch.testing.assert_close(npairs(a, p, 0.0), wanted)


def test_npairs_by_hand() -> None:
    assert npairs(torch.zeros(2, 3), torch.zeros(2, 3), 1.0).item() == pytest.approx(math.log(2))


def naive_triplet(a: torch.Tensor, p: torch.Tensor, margin: float) -> float:
    a, p = torch.nn.functional.normalize(a, dim=1), torch.nn.functional.normalize(p, dim=1)
    total = 0.0
    for i in range(len(a)):
        d = [float(((a[i] - p[j]) ** 2).sum()) for j in range(len(p))]
        others = [d[j] for j in range(len(p)) if j != i]
        further = [x for x in others if x > d[i]]
        total += max(0.0, d[i] - (min(further) if further else max(others)) + margin)
    return total / len(a)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.05, 0.7, 3.0])
def test_triplet_is_the_naive_loop(seed: int, noise: float) -> None:
    a = vectors(8, 3, seed=seed)
    p = a + noise * vectors(8, 3, seed=seed + 50)
    assert semihard_triplet(a, p, 0.2).item() == pytest.approx(naive_triplet(a, p, 0.2), abs=1e-5)


def test_triplet_agrees_with_pytorch_metric_learning_on_the_chosen_triplets() -> None:
    a, p = vectors(8, 3), vectors(8, 3, seed=1)
    joined = torch.cat([a, p])
    unit = torch.nn.functional.normalize(joined, dim=1)
    d = torch.cdist(unit[:8], unit[8:]) ** 2
    chosen = []
    for i in range(8):
        further = [j for j in range(8) if j != i and d[i, j] > d[i, i]]
        chosen.append(
            min(further, key=lambda j: d[i, j]) if further else max(set(range(8)) - {i}, key=lambda j: d[i, j])
        )
    triplets = (torch.arange(8), torch.arange(8) + 8, torch.tensor(chosen) + 8)
    loss = TripletMarginLoss(margin=0.2, distance=LpDistance(power=2), reducer=MeanReducer())
    wanted = loss(joined, torch.arange(8).repeat(2), triplets)
    torch.testing.assert_close(semihard_triplet(a, p, 0.2), wanted)


def test_triplet_ignores_norms_and_a_collapse_costs_the_margin() -> None:
    a, p = vectors(5, 3), vectors(5, 3, seed=1)
    torch.testing.assert_close(semihard_triplet(a * 7, p * 0.1, 0.2), semihard_triplet(a, p, 0.2))
    assert semihard_triplet(torch.ones(5, 3), torch.ones(5, 3), 0.2).item() == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("kind", ["npairs", "triplet"])
def test_clips_share_no_negatives(kind) -> None:
    a, p = vectors(3, 5, 4), vectors(3, 5, 4, seed=1)

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return npairs(x, y, 0.01) if kind == "npairs" else semihard_triplet(x, y, 0.2)

    torch.testing.assert_close(loss(a, p), torch.stack([loss(x, y) for x, y in zip(a, p, strict=True)]).mean())


# --- sampler


def test_pick_takes_one_episode_two_cameras_and_the_same_different_steps() -> None:
    layout = Layout(np.array([1, 7, 60]), 3, CAMERAS)
    model, rng = small(views_per_batch=2, steps_per_batch=50), np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        pick = model.pick(layout, rng)
        (episode,), (view,) = pick.episode, pick.view
        steps = pick.step[0]
        assert episode in (1, 2) and view[0] != view[1]
        assert pick.step.shape == (1, 2, min(50, layout.lengths[episode]))
        assert (steps[0] == steps[1]).all() and len(set(steps[0])) == steps.shape[1]
        assert steps.min() >= 0 and steps.max() < layout.lengths[episode]
        seen.add((int(episode), *map(int, view)))
    assert len(seen) == 2 * 6  # both usable episodes, every ordered pair of cameras


@pytest.mark.parametrize(
    ("cameras", "message"),
    [(("front", "lfet"), "nearest are left"), (("front",), "2 or more different"), (("left", "left"), "2 or more")],
)
def test_pick_refuses_cameras(cameras: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(cameras=cameras).pick(Layout(np.array([9]), 3, CAMERAS), np.random.default_rng(0))


def test_steps_lie_in_a_window_that_may_lie_anywhere() -> None:
    layout, rng = Layout(np.array([100, 7]), 3, CAMERAS), np.random.default_rng(0)
    model = small(window=20, steps_per_batch=10)
    picks = [model.pick(layout, rng) for _ in range(2000)]
    long = [pick.step[0, 0] for pick in picks if pick.episode[0] == 0]
    assert {len(set(steps)) for steps in long} == {10} and max(np.ptp(steps) for steps in long) == 19
    assert {int(step) for steps in long for step in steps} == set(range(100))
    assert all(pick.step[0, 0].tolist() == list(range(7)) for pick in picks if pick.episode[0] == 1)
    with pytest.raises(InputError, match="window is 9; allowed are 0, the whole episode, or 10 or more"):
        small(window=9, steps_per_batch=10)


def test_pick_refuses_episodes_of_one_frame() -> None:
    with pytest.raises(InputError, match="1 moments of one episode; with 0 columns of the body allowed are 2 or more"):
        small().pick(Layout(np.array([1, 1]), 3, CAMERAS), np.random.default_rng(0))


def test_pick_passes_over_episodes_whose_moments_the_body_explains() -> None:
    model, layout = small(body=(0, 1), steps_per_batch=12), Layout(np.array([10, 11, 40, 9]), 3, CAMERAS)
    assert {int(model.pick(layout, np.random.default_rng(seed)).episode[0]) for seed in range(30)} == {1, 2}
    with pytest.raises(InputError, match="have 10 moments of one episode; with 2 columns of the body allowed are 11"):
        small(body=(0, 1), steps_per_batch=10).pick(layout, np.random.default_rng(0))


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(InputError, match="loss is 'tripplet'; allowed are npairs, triplet"):
        small(loss="tripplet")


# --- head


def test_soft_argmax_finds_the_pixel() -> None:
    head = SpatialSoftArgmax()
    head.log_temperature.data.fill_(-5)
    features = torch.zeros(1, 3, 5, 9)
    features[0, 0, 0, 0] = features[0, 1, 4, 8] = features[0, 2, 2, 4] = 1
    torch.testing.assert_close(head(features), torch.tensor([[-1.0, 1, 0, -1, 1, 0]]))


def test_soft_argmax_is_the_naive_expectation() -> None:
    features = vectors(2, 3, 4, 5)
    head = SpatialSoftArgmax()
    got = head(features)
    temperature = head.log_temperature.exp().item()
    for n in range(2):
        for c in range(3):
            weights = torch.exp(features[n, c] / temperature)
            weights = weights / weights.sum()
            x = sum(float(weights[i, j]) * (-1 + 2 * j / 4) for i in range(4) for j in range(5))
            y = sum(float(weights[i, j]) * (-1 + 2 * i / 3) for i in range(4) for j in range(5))
            assert got[n, c].item() == pytest.approx(x, abs=1e-5)
            assert got[n, 3 + c].item() == pytest.approx(y, abs=1e-5)


def test_hidden_zero_is_a_single_layer() -> None:
    head = PositionHead(8, 4, 0, 5)
    assert [type(layer) for layer in head.linear] == [torch.nn.Linear]
    assert head(vectors(2, 8, 4, 4)).shape == (2, 5)


# --- objective


@pytest.mark.parametrize(("kind", "naive"), [("npairs", None), ("triplet", naive_triplet)])
def test_loss_is_both_directions_of_the_embeddings(kind, naive) -> None:
    model = small(loss=kind, augment=False).eval()
    batch = clips()
    z = model.head(model.backbone(batch.frames.flatten(0, 2).float() / 255)).detach()
    first, second = z[:6], z[6:]
    if naive:
        wanted = 0.5 * (naive(first, second, 0.2) + naive(second, first, 0.2))
    else:
        wanted = 0.5 * (npairs(first, second, model.contrast.l2) + npairs(second, first, model.contrast.l2)).item()
    assert model.loss(batch, torch.Generator()).value.item() == pytest.approx(wanted, rel=1e-4)


def test_more_views_are_the_mean_over_their_ordered_pairs() -> None:
    model = small(augment=False).eval()
    pixels = torch.randint(0, 256, (1, 3, 5, 32, 32, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    frames = pixels.movedim(-1, -3)
    pairs = [Clips(frames[:, list(pair)]) for pair in itertools.combinations(range(3), 2)]
    wanted = torch.stack([model.loss(pair, torch.Generator()).value for pair in pairs]).mean()
    torch.testing.assert_close(model.loss(Clips(frames), torch.Generator()).value, wanted)
    layout = Layout(np.array([9]), 3, CAMERAS)
    for views, wanted in ((2, 2), (3, 3), (4, 3)):  # as many as the store has
        pick = small(views_per_batch=views).pick(layout, np.random.default_rng(0))
        assert pick.step.shape == (1, wanted, 9) and len(set(pick.view[0])) == wanted


def test_a_share_of_the_loss_is_of_what_the_body_leaves_unexplained() -> None:
    model = small(body=(2, 0), body_weight=0.3, l2=0.05, augment=False).eval()
    frames, proprio = clips(batch=2, frames=14).frames, vectors(2, 1, 14, 3).expand(2, 2, 14, 3)
    wanted = 0.0
    for films, known in zip(frames, proprio[:, 0], strict=True):
        first, second = (model.embed(film) for film in films)
        free, other = (unexplained(z, known[:, [2, 0]]) for z in (first, second))
        for share, a, p in ((0.7, first, second), (0.3, free, other)):
            wanted += share * (npairs(a, p, 0.05) + npairs(p, a, 0.05)).item() / 4
    assert model.loss(Clips(frames, proprio=proprio), torch.Generator()).value.item() == pytest.approx(wanted, rel=1e-4)


def test_refuses_noise_of_less_than_no_time() -> None:
    with pytest.raises(InputError, match=r"slow_s is -0\.1; allowed is 0 or more"):
        small(slow_s=-0.1)


@pytest.mark.parametrize("options", [{"views_per_batch": 1}, {"steps_per_batch": 1}])
def test_refuses_batches_without_contrast(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="2 or more of each"):
        small(**options)


@pytest.mark.parametrize("shape", [(1, 1, 6), (1, 2, 1)])
def test_loss_refuses(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="2 or more of 2 or more"):
        small().loss(Clips(torch.zeros(*shape, 3, 32, 32, dtype=torch.uint8)), torch.Generator())


# --- slow features


def test_finish_reads_out_slow_features_once(tiny_store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, slow = small(slow_s=0.0), small()
    frames = clips().frames.flatten(0, 2)
    before, rows = plain.embed(frames), vectors(4, 4)

    def known(embedding: Tcn, *_: Any) -> torch.Tensor:
        torch.testing.assert_close(embedding.embed(frames), before)  # of what the net gives, also the second time
        return rows

    monkeypatch.setattr("sslctrl.embeddings.tcn.slow_features", known)
    for model in (plain, slow, slow):
        model.eval()
        model.finish(tiny_store, np.random.default_rng(0))
    torch.testing.assert_close(plain.embed(frames), before)
    torch.testing.assert_close(slow.embed(frames), before @ rows.T)


def test_slow_features_are_of_the_models_own_cameras(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    stores = [EpisodeStore(tmp_path / name, create=True) for name in ("alike", "noisy")]
    for number, id in enumerate(tiny_store.ids):
        episode = tiny_store.read(id)
        frames = episode.frames[[0, 0, 0]]
        stores[0].add(episode._replace(frames=frames))
        noise = np.random.default_rng(number).integers(0, 256, frames[1].shape, np.uint8)
        stores[1].add(episode._replace(frames=np.stack([frames[0], noise, frames[2]])))
    for cameras, same in ((("front", "right"), True), ((), False)):
        model, found = small(cameras=cameras).eval(), []
        for store in stores:
            model.finish(store, np.random.default_rng(0))
            found.append(model.readout.clone())
        assert not torch.equal(found[0], torch.eye(4)) and torch.equal(*found) == same
