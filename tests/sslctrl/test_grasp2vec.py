from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips, Layout
from sslctrl.embeddings.grasp2vec import Grasp2Vec, _with_turned_hues
from sslctrl.errors import InputError
from vision.backbones.conv import Conv

SIZE_PX = 16


def small(**options) -> Grasp2Vec:
    torch.manual_seed(0)
    return Grasp2Vec(
        Conv((4, 8), (2, 2)), **({"dim": 6, "palettes": 1, "augment": False, "size_px": SIZE_PX} | options)
    )


def grasps(count: int = 5, seed: int = 0, success: list[bool] | None = None) -> Clips:
    rng = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (count, 1, 3, SIZE_PX, SIZE_PX, 3), generator=rng).to(torch.uint8)
    return Clips(pixels.movedim(-1, -3), success=torch.tensor(success or [True] * count))


def naive(a: torch.Tensor, p: torch.Tensor, l2: float) -> float:
    total = 0.0
    for i in range(len(a)):
        scores = torch.stack([a[i] @ p[j] for j in range(len(p))])
        total += float(torch.logsumexp(scores, 0) - scores[i] + l2 * (a[i] @ a[i] + p[i] @ p[i]))
    return total / len(a)


@pytest.mark.parametrize("success", [[True] * 5, [True, False, True, True, False]])
def test_the_loss_is_npairs_both_ways_of_the_grasps_that_succeeded(success: list[bool]) -> None:
    model, clips = small(l2=0.3).eval(), grasps(success=success)
    before, after, outcome = clips.frames[success, 0].unbind(1)
    missing = model.embed_scene(before) - model.embed_scene(after)
    found = model.embed(outcome)
    wanted = naive(missing, found, 0.3) + naive(found, missing, 0.3)
    assert model.loss(clips, torch.Generator()).value.item() == pytest.approx(wanted, rel=1e-4)


def test_grasps_repel_only_those_of_their_own_palette() -> None:
    model, clips = small(l2=0.3, palettes=2).eval(), grasps(7, success=[True, True, False, True, True, True, True])
    kept = clips.frames[[0, 1, 3, 4, 5, 6], 0]  # two groups of three
    seed = next(s for s in range(99) if not (torch.rand(2, generator=torch.Generator().manual_seed(s)) < 0.5).any())
    before, after, outcome = kept.unbind(1)
    missing, found = model.embed_scene(before) - model.embed_scene(after), model.embed(outcome)
    wanted = [naive(a, b, 0.3) + naive(b, a, 0.3) for a, b in zip(missing.split(3), found.split(3), strict=True)]
    loss = model.loss(clips, torch.Generator().manual_seed(seed))  # one that turns no hue
    assert loss.value.item() == pytest.approx(sum(wanted) / 2, rel=1e-4)


def test_hues_of_a_palette_are_turned_alike_and_half_of_them_not_at_all() -> None:
    red, grey = torch.tensor([0.8, 0.1, 0.1]), torch.full((3,), 0.4)
    frame = torch.stack([red, grey]).mT[:, :, None].expand(3, 2, 4)  # above red, below grey
    angles: list[float] = []
    for seed in range(100):
        images = frame.expand(4, 5, 3, -1, -1, -1).clone()
        turned = _with_turned_hues(images, torch.Generator().manual_seed(seed))
        torch.testing.assert_close(turned[..., 1, :], images[..., 1, :])  # grey has no hue
        for group in turned:
            assert (group - group[:1, :1]).abs().max() < 1e-6
            r, g, b = (float(value) for value in group[0, 0, :, 0, 0])
            assert max(r, g, b) == pytest.approx(0.8, abs=1e-5) and min(r, g, b) == pytest.approx(0.1, abs=1e-5)
            angles.append(colorsys.rgb_to_hsv(r, g, b)[0] % 1)
        turned_by = [angle for angle in angles[-4:] if 1e-3 < angle < 1 - 1e-3]
        assert len({round(angle, 4) for angle in turned_by}) == len(turned_by)  # each by an angle of its own
    still = np.isclose(angles, 0, atol=1e-4) | np.isclose(angles, 1, atol=1e-4)
    assert 0.4 < still.mean() < 0.6
    others = np.histogram(np.array(angles)[~still], bins=4, range=(0, 1))[0]
    assert others.min() > 25  # from all round the circle


@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_grasps_are_one_palette(count: int) -> None:
    losses = [small(palettes=n).eval().loss(grasps(count), torch.Generator().manual_seed(0)).value for n in (1, 4)]
    assert losses[0] == losses[1] > 0.01


def test_without_two_successes_nothing_is_learned_and_nothing_breaks() -> None:
    model = small()
    loss = model.loss(grasps(success=[False, True, False, False, False]), torch.Generator())
    loss.value.backward()
    assert loss.value.item() == 0 and all(
        torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None
    )


def test_the_nets_share_no_weights() -> None:
    model = small()
    scene = {id(p) for part in (model.scene_backbone, model.scene_head) for p in part.parameters()}
    outcome = {id(p) for part in (model.backbone, model.outcome_head) for p in part.parameters()}
    assert scene.isdisjoint(outcome) and len(scene) + len(outcome) == len(list(model.parameters()))


def test_both_nets_learn_though_the_backbone_came_frozen() -> None:
    model = Grasp2Vec(Conv((4, 8), (2, 2)).requires_grad_(False), size_px=SIZE_PX)
    assert all(weight.requires_grad for weight in model.scene_backbone.parameters())


def test_the_mean_of_a_heat_map_is_the_product_of_the_vectors() -> None:
    """Nothing stands between the map and its mean: no layer, no normalisation."""
    model, clips = small().eval(), grasps()
    before, outcome = clips.frames[:, 0, 0], clips.frames[:, 0, 2]
    maps, found = model.heat_maps(before, model.embed(outcome)), model.embed(outcome)
    assert maps.shape == (5, SIZE_PX, SIZE_PX)
    torch.testing.assert_close(maps.mean((1, 2)), (model.embed_scene(before) * found).sum(1), rtol=1e-3, atol=1e-5)


def test_scenes_of_one_grasp_are_cropped_alike_and_each_is_turned_by_itself() -> None:
    model = small(augment=True)
    frame = torch.rand(1, 1, 3, SIZE_PX, SIZE_PX, generator=torch.Generator().manual_seed(3))
    frame[..., : SIZE_PX // 2] *= 0.3
    turns, mirrors = set(), 0
    for seed in range(80):
        rng = torch.Generator().manual_seed(seed)
        before, after, outcome = model._augmented(frame.expand(1, 3, -1, -1, -1), rng)[0]
        symmetries = [torch.rot90(image, turn, (-2, -1)) for image in (after, after.flip(-1)) for turn in range(4)]
        same = [torch.allclose(before, image, atol=1e-6) for image in symmetries]
        assert sum(same) == 1  # a symmetry of the square, and nothing else
        turns.add(same.index(True))
        upright = [torch.allclose(before, image, atol=1e-6) for image in (outcome, outcome.flip(-1))]
        assert not any(upright)  # it has a crop of its own
        left, right = outcome.chunk(2, dim=-1)
        mirrors += bool(left.sum() > right.sum())
    assert turns == set(range(8)) and 20 < mirrors < 60


def seen_by(model: Grasp2Vec, clips: Clips, seed: int = 0) -> dict[str, list[torch.Tensor]]:
    """What each net sees while the loss is computed."""
    seen: dict[str, list[torch.Tensor]] = {"scenes": [], "outcomes": []}
    for net, name in ((model.scene_backbone, "scenes"), (model.backbone, "outcomes")):
        net.register_forward_pre_hook(lambda _, given, name=name: seen[name].append(given[0].detach().clone()))
    model.loss(clips, torch.Generator().manual_seed(seed))
    return seen


def test_the_loss_is_of_augmented_grasps() -> None:
    plain, changed = (seen_by(small(augment=augment), grasps()) for augment in (False, True))
    for name in plain:
        assert (plain[name][0] - changed[name][0]).flatten(1).abs().mean(1).min() > 0.01


def test_both_scenes_of_all_palettes_meet_one_batch_norm_and_one_palette_is_turned() -> None:
    """Normalised apart, a scene with one object less would be shifted as a whole, and so would every difference."""
    clips = grasps(6)
    turned = [[True, False], [False, True]]
    draws = {seed: torch.rand(2, generator=torch.Generator().manual_seed(seed)) < 0.5 for seed in range(30)}
    for which in turned:
        seed = next(seed for seed, draw in draws.items() if draw.tolist() == which)
        seen = seen_by(small(palettes=2), clips, seed)
        assert {name: [len(batch) for batch in batches] for name, batches in seen.items()} == {
            "scenes": [12],
            "outcomes": [6],
        }
        same = (seen["outcomes"][0] == clips.frames[:, 0, 2] / 255).flatten(1).all(1)
        assert same.tolist() == [not which[0]] * 3 + [not which[1]] * 3


def test_pick_takes_different_grasps_whole() -> None:
    layout = Layout(np.array([3, 3, 2, 51, 3]), 2, ("above", "side"))
    views = set()
    for seed in range(20):
        pick = small(batch=32).pick(layout, np.random.default_rng(seed))
        assert sorted(pick.episode) == [0, 1, 4] and len(np.unique(pick.view)) == 1
        views.add(pick.view[0, 0])
        assert pick.step.tolist() == [[[0, 1, 2]]] * 3
    assert views == {0, 1}
    assert (small(camera="side").pick(layout, np.random.default_rng(0)).view == 1).all()
    with pytest.raises(InputError, match="1 of 3 episodes are grasps"):
        small().pick(Layout(np.array([3, 2, 51]), 1, ("above",)), np.random.default_rng(0))


def test_clips_without_success_are_refused() -> None:
    with pytest.raises(InputError, match="success known: False"):
        small().loss(grasps()._replace(success=None), torch.Generator())
