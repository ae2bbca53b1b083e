from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch

from sslctrl.clips import Clips, Layout
from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.image.exemplar import Exemplar, Exemplars, recolored, seed_patches, transformed

LAYOUT = Layout(np.array([30, 20, 50]), 3, ("front", "left", "right"))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**options) -> Exemplar:
    torch.manual_seed(0)
    return Exemplar(Conv((8, 16), (2, 2)), **{"batch": 8, "views": 4, "seeds": 8, **options})


def textures(count: int = 8, side: int = 32) -> torch.Tensor:
    """Images of coarse random colours."""
    coarse = torch.rand(count, 3, 8, 8, generator=rng())
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="nearest")


def coordinates(count: int, height: int, width: int) -> torch.Tensor:
    """Images whose red is the column's place in px, whose green the row's, and whose blue is their own number."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([torch.stack([x, y, torch.full_like(x, number)]) for number in range(count)])


def clips_of(images: torch.Tensor) -> Clips:
    frames = (images * 255).to(torch.uint8)[:, None, None]
    return Clips(frames, label=torch.arange(len(images)))


def train(model: Exemplar, images: torch.Tensor, steps: int) -> Exemplar:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model.loss(clips_of(images), rng(step)).value.backward()
        optimizer.step()
    return model.eval()


def test_a_seed_is_always_the_same_frame_and_all_are_spread_over_the_store() -> None:
    model = small(seeds=60, batch=40)
    frames: dict[int, tuple] = {}
    for seed in range(10):
        pick = model.pick(LAYOUT, np.random.default_rng(seed))
        assert pick.label is not None and len(set(pick.label)) == 40
        for label, *frame in zip(pick.label, pick.episode, pick.view[:, 0], pick.step[:, 0, 0], strict=True):
            assert frames.setdefault(int(label), tuple(frame)) == tuple(frame)
    assert sorted(frames) == list(range(60))
    ordered = [frames[label] for label in range(60)]
    assert np.bincount([episode for episode, _, _ in ordered]).tolist() == [18, 12, 30]
    assert np.bincount([view for _, view, _ in ordered]).tolist() == [20, 20, 20]
    ends = np.cumsum([0, 30, 20])
    assert {int(gap) for gap in np.diff([ends[episode] + step for episode, _, step in ordered])} <= {1, 2}


def test_a_small_store_has_as_many_seeds_as_images() -> None:
    layout = Layout(np.array([2, 1]), 3, LAYOUT.cameras)
    pick = small(seeds=500, batch=9).pick(layout, np.random.default_rng(0))
    assert sorted(pick.label) == list(range(9))
    frames = set(zip(pick.episode, pick.view[:, 0], pick.step[:, 0, 0], strict=True))
    assert frames == {(e, v, s) for v in range(3) for e, s in [(0, 0), (0, 1), (1, 0)]}
    more = small(seeds=500, batch=20).pick(layout, np.random.default_rng(0))
    assert len(more.label) == 20 and set(more.label) <= set(range(9))


def test_seed_patches_lie_where_the_gradient_is_and_depend_on_image_and_seed_alone() -> None:
    images = torch.full((400, 3, 48, 64), 0.5)
    images[:, :, 10:20, 30:45] = 1
    center, side = seed_patches(images, torch.arange(400))
    x, y = center.T
    assert x.min() >= 30 and x.max() <= 46 and y.min() >= 10 and y.max() <= 21
    inside = (x > 31) & (x < 45) & (y > 11) & (y < 20)
    assert not inside.any()
    assert torch.unique(center, dim=0).shape[0] > 40  # nearly every pixel of the edge
    scales, counts = side.unique(return_counts=True)
    torch.testing.assert_close(scales, 24 * torch.tensor([0.8**3, 0.8**2, 0.8, 1.0]))
    assert counts.min() > 90
    alone = seed_patches(images[7:8], torch.tensor([7]))
    assert torch.equal(alone[0], center[7:8]) and torch.equal(alone[1], side[7:8])


def test_an_even_image_has_a_patch_too() -> None:
    center, _ = seed_patches(torch.zeros(50, 3, 16, 16), torch.arange(50))
    assert center.min() > 0 and center.max() < 16 and center.std() > 2


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (33, 32)])
def test_transforms_are_within_their_bounds_and_never_leave_the_image(shape) -> None:
    height, width = shape
    images = coordinates(100, height, width)
    center, side = seed_patches(images.div(100).sin(), torch.arange(100))
    out = min(shape) // 2
    patches = transformed(images, center, side, 5, rng())
    assert patches.shape == (500, 3, out, out)
    assert torch.equal(patches[:, 2].round().amax((1, 2)), torch.arange(100.0).repeat_interleave(5))
    steps = patches[:, :2].diff(dim=3)[
        ..., out // 2, out // 2 - 1
    ]  # px of the image for a px of the patch to the right
    down = patches[:, :2].diff(dim=2)[..., out // 2 - 1, out // 2]
    torch.testing.assert_close(down, torch.stack([-steps[:, 1], steps[:, 0]], 1), atol=1e-3, rtol=0)  # a turn, no shear
    size = steps.norm(dim=1) * out
    scale = size / side.repeat_interleave(5)
    assert 0.5**0.5 - 1e-3 < scale.min() < 0.75 and 1.33 < scale.max() < 2**0.5 + 1e-3
    angle = torch.atan2(steps[:, 1], steps[:, 0])
    assert math.radians(18) < angle.abs().max() < math.radians(20.05) and angle.min() < 0 < angle.max()
    middle = patches[:, :2, out // 2 - 1 : out // 2 + 1, out // 2 - 1 : out // 2 + 1].mean((2, 3))
    if out % 2:  # the middle is a pixel's
        middle = patches[:, :2, out // 2, out // 2]
    shift = (middle - center.repeat_interleave(5, 0)).abs() / side.repeat_interleave(5)[:, None]
    reach = size[:, None] / 2 * (angle.cos() + angle.sin().abs())[:, None]
    limits = torch.tensor([width, height])
    assert (middle - reach > -1e-2).all() and (middle + reach < limits + 1e-2).all()
    free = ((middle - reach > 0.1) & (middle + reach < limits - 0.1)).all(1)
    assert free.sum() > 50 and 0.2 < shift[free].max() < 0.251


def test_colours_agree_with_a_loop_over_pixels() -> None:
    patches = torch.rand(3, 3, 4, 4, generator=rng()) * 0.5 + 0.2
    got = recolored(patches, rng(1))
    draws = (torch.rand(10, 3, generator=rng(1)) * 2 - 1).numpy().astype(float)
    pixels = patches.movedim(1, -1).reshape(-1, 3).numpy().astype(float)
    mean = pixels.mean(0)
    axes = np.linalg.eigh((pixels - mean).T @ (pixels - mean))[1]
    for i in range(3):
        for row, column in np.ndindex(4, 4):
            on_axes = axes.T @ (patches[i, :, row, column].numpy() - mean)
            color = np.clip(mean + axes @ (2 ** draws[:3, i] * on_axes), 0, 1)
            h, s, v = colorsys.rgb_to_hsv(*color)
            s = np.clip(s**4 ** draws[4, i] * 1.4 ** draws[5, i] + 0.1 * draws[6, i], 0, 1)
            v = np.clip(v**4 ** draws[7, i] * 1.4 ** draws[8, i] + 0.1 * draws[9, i], 0, 1)
            expected = colorsys.hsv_to_rgb((h + 0.1 * draws[3, i]) % 1, s, v)
            np.testing.assert_allclose(got[i, :, row, column].numpy(), expected, atol=2e-3)


def test_labels_are_the_seeds_of_the_patches() -> None:
    model = small(views=3, color=False)
    images = coordinates(6, 32, 32) / 255
    seeds = torch.tensor([4, 0, 7, 1, 5, 2])
    asked: list[Exemplars] = []
    model.judge = lambda question: asked.append(question)  # type: ignore[method-assign]
    frames = (images * 255).round().to(torch.uint8)[:, None, None]
    model.loss(Clips(frames, label=seeds), rng())
    number = (asked[0].patches[:, 2] * 255).round().amax((1, 2)).long()
    assert torch.equal(asked[0].seeds, seeds[number])
    assert torch.equal(number, torch.arange(6).repeat_interleave(3))


def test_softmax_agrees_with_a_loop() -> None:
    model = small().eval()
    question = model.ask(textures(), rng())
    with torch.no_grad():
        loss = model.judge(question)
        naive = 0.0
        for patch, seed in zip(question.patches, question.seeds, strict=True):
            naive -= float(model.head(model.features(model.backbone(patch[None])))[0].log_softmax(0)[seed])
    assert loss.value.item() == pytest.approx(naive / 32, rel=1e-4)


def test_triplets_need_two_images() -> None:
    with pytest.raises(InputError, match="batch is 1; allowed is 2 or more"):
        small(loss="triplet", batch=1)


def test_triplet_agrees_with_a_loop_over_semi_hard_triplets() -> None:
    model = small(loss="triplet", dim=3).eval()
    question = model.ask(textures(), rng())
    with torch.no_grad():
        loss = model.judge(question)
        points = model.head(model.features(model.backbone(question.patches)))
    points = (points / points.norm(dim=1, keepdim=True)).double().numpy()
    far = ((points[:, None] - points) ** 2).sum(-1)
    costs, right = [], 0
    for a in range(32):
        p = a // 4 * 4 + (a + 1) % 4
        apart = [far[a, n] for n in range(p % 4, 32, 4) if n != p]
        n = min((d for d in apart if d > far[a, p]), default=max(apart))
        costs.append(max(0, far[a, p] - n + 0.5))
        right += min(set(range(32)) - {a}, key=lambda other: far[a, other]) // 4 == a // 4
    assert loss.value.item() == pytest.approx(np.mean(costs), rel=1e-3)
    assert loss.metrics["accuracy"].item() == pytest.approx(right / 32)


def test_triplets_of_a_collapsed_head_cost_the_margin_and_one_seed_s_nothing() -> None:
    model = small(loss="triplet").eval()
    torch.nn.init.zeros_(model.head.weight)
    question = model.ask(textures(), rng())
    assert model.judge(question).value.item() == pytest.approx(0.5)
    assert model.judge(question._replace(seeds=torch.zeros_like(question.seeds))).value.item() == 0


@pytest.mark.parametrize("kind", ["softmax", "triplet"])
def test_learns_which_seed_it_is(kind) -> None:
    images = textures()
    model = small(loss=kind)
    before = model.loss(clips_of(images), rng(999)).metrics["accuracy"]
    after = train(model, images, 60).loss(clips_of(images), rng(1000)).metrics["accuracy"]
    assert before < 0.6 and after > 0.75


def told_by_histogram(color: bool) -> float:
    """How many transforms have a transform of the same seed nearest to them by a histogram of 64 colours."""
    images = textures(40)
    images = images * 0.2 + torch.rand(40, 3, 1, 1, generator=rng(5)) * 0.8  # each seed has a colour of its own
    patches, seeds = small(color=color, views=2).ask(images, rng())
    colors = (patches * 3.999).long().movedim(1, -1).flatten(1, 2) @ torch.tensor([16, 4, 1])
    histograms = torch.nn.functional.one_hot(colors, 64).float().mean(1)
    nearest = torch.cdist(histograms, histograms).fill_diagonal_(9).argmin(1)
    return (seeds[nearest] == seeds).float().mean().item()


def test_a_colour_histogram_tells_the_seed_only_without_the_change_of_colours() -> None:
    assert told_by_histogram(color=False) > 0.6
    assert told_by_histogram(color=True) < 0.2


def test_shows_patches_with_their_nearest() -> None:
    images = textures()
    images[:, 2] = (torch.arange(8) / 8).view(8, 1, 1)
    model = train(small(color=False), images, 60)
    shown = model.show(images, rng(5))
    assert shown.shape == (4, 8, 3, 16, 16)
    number = (shown[:, :, 2].mean((2, 3)) * 8).round()
    assert torch.equal(number[0], torch.arange(8.0))
    assert (number[1] == number[0]).float().mean() > 0.7
    assert model.show(images[:2], rng()).shape == (3, 2, 3, 16, 16)


@pytest.mark.parametrize(
    "options", [{"views": 1}, {"seeds": 1}, {"dim": 0}, {"dim": 7}, {"loss": "hinge"}, {"batch": 0}]
)
def test_options_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        small(**options)


def test_small_images_and_clips_without_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="16 or more"):
        small().ask(torch.rand(2, 3, 15, 40), rng())
    with pytest.raises(InputError, match="seed"):
        small().loss(Clips(torch.zeros(2, 1, 1, 3, 32, 32, dtype=torch.uint8)), rng())
