from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from lab_blocks import blocks
from torch import Tensor, nn

from sslctrl.clips import Clips, Layout
from sslctrl.errors import InputError
from sslctrl.objective import Loss
from vision.backbones.conv import Conv
from vision.image.split_brain import SplitBrain, depth_bin


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(strides: tuple[int, int] = (2, 2)) -> SplitBrain:
    torch.manual_seed(0)
    return SplitBrain(Conv((8, 16), strides))


def train(model: SplitBrain, tied: bool, leak: bool = False, steps: int = 60) -> Loss:
    """Return the loss of blocks never seen, after training; `leak` shows each half what it is to predict."""

    def loss(seed: int) -> Loss:
        question = model.ask(model.images(blocks(seed, tied)), rng())
        return model.judge(question._replace(seen=question.seen[::-1]) if leak else question)

    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).value.backward()
        optimizer.step()
    model.eval()
    return loss(steps)


def images(count: int = 3, height: int = 16, width: int = 20) -> Tensor:
    return torch.rand(count, 3, height, width, generator=rng())


def gradients(model: SplitBrain, nets: tuple[nn.Module, ...], given: Tensor) -> list[Tensor]:
    model.zero_grad()
    model.judge(model.ask(given, rng())).value.backward()
    return [value.grad.clone() for net in nets for value in net.parameters() if value.grad is not None]


def test_no_half_is_shown_what_the_other_sees() -> None:
    lightness = torch.rand(2, 1, 8, 8, generator=rng()) * 10 + 50
    ab = torch.rand(2, 2, 8, 8, generator=rng(1)) * 40 - 20
    model = small()
    first = model.ask(lab_to_rgb(torch.cat([lightness, ab], dim=1)), rng())
    recolored = model.ask(lab_to_rgb(torch.cat([lightness, -ab], dim=1)), rng())
    relit = model.ask(lab_to_rgb(torch.cat([110 - lightness, ab], dim=1)), rng())
    torch.testing.assert_close(first.seen[0], recolored.seen[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(first.seen[1], relit.seen[1], atol=1e-4, rtol=0)
    assert (first.seen[1] - recolored.seen[1]).abs().max() > 0.1
    assert (first.seen[0] - relit.seen[0]).abs().max() > 0.05


def test_what_is_seen_is_the_image_and_fits_any_backbone() -> None:
    lightness, colors = small().ask(images(), rng()).seen
    assert lightness.shape == colors.shape == images().shape
    assert colors.min() >= 0 and colors.max() <= 1
    lab = torch.cat([100 * lightness[:, :1], 220 * colors[:, :2] - 110], dim=1)
    torch.testing.assert_close(lab_to_rgb(lab), images(), atol=1e-3, rtol=0)


def test_labels_are_the_bins_of_every_fourth_pixel() -> None:
    model = small()
    hidden = model.ask(images(), rng()).hidden
    ab, lightness = hidden["ab"], hidden["lightness"]
    lab = rgb_to_lab(images())[:, :, 2::4, 2::4]
    assert ab.shape == lightness.shape == (3, 4, 5)
    for n in range(3):
        for y in range(4):
            for x in range(5):
                true = lab[n, :, y, x].tolist()
                distances = [math.dist(true[1:], one) for one in model.bins.tolist()]
                assert ab[n, y, x] == distances.index(min(distances))
                assert lightness[n, y, x] == int(true[0])


def test_no_gradient_crosses_the_halves() -> None:
    model = small()
    halves = ((model.backbone, model.heads["ab"]), (model.other_backbone, model.heads["lightness"]))
    assert not {id(value) for net in halves[0] for value in net.parameters()} & {
        id(value) for net in halves[1] for value in net.parameters()
    }
    answers = model.logits(model.ask(images(), rng()).seen).values()
    for answer, others in zip(answers, reversed(halves), strict=True):
        weights = [value for net in others for value in net.parameters()]
        crossed = torch.autograd.grad(answer.sum(), weights, retain_graph=True, allow_unused=True)
        assert all(value is None for value in crossed)
    for half, other in (halves, halves[::-1]):  # and none through the loss
        before = gradients(model, half, images())
        with torch.no_grad():
            for net in other:
                for value in net.parameters():
                    value.normal_(generator=rng())
        after = gradients(model, half, images())
        assert all(torch.equal(one, same) for one, same in zip(before, after, strict=True))
        assert any(one.any() for one in before)


def test_the_loss_is_the_sum_of_both_cross_entropies_of_a_loop() -> None:
    model = small().eval()
    question = model.ask(images(), rng())
    loss = model.judge(question)
    naive = 0.0
    for name, logits in model.logits(question.seen).items():
        right, true = 0, question.hidden[name]
        for n, y, x in torch.cartesian_prod(torch.arange(3), torch.arange(4), torch.arange(5)).tolist():
            naive -= logits[n, :, y, x].log_softmax(0)[true[n, y, x]].item()
            right += int(logits[n, :, y, x].argmax() == true[n, y, x])
        assert loss.metrics[f"accuracy_{name}"].item() == pytest.approx(right / 60)
    assert loss.value.item() == pytest.approx(naive / 60, rel=1e-4)


def test_features_are_both_halves_maps() -> None:
    model = small().eval()
    features = model.features(images())
    lightness, colors = model.ask(images(), rng()).seen
    assert features.shape == (3, 32, 4, 5)
    assert torch.equal(features[:, :16], model.backbone(lightness))
    assert torch.equal(features[:, 16:], model.other_backbone(colors))
    assert model.backbones == (model.backbone, model.other_backbone)
    kernels = [next(half.parameters()) for half in model.backbones]
    assert kernels[0].shape == kernels[1].shape and not torch.equal(*kernels)


def test_learns_what_one_half_tells_of_the_other() -> None:
    loss = train(small(), tied=True)
    assert loss.metrics["accuracy_ab"] > 0.95 and loss.metrics["accuracy_lightness"] > 0.95


def test_halves_that_tell_nothing_of_each_other_stay_at_chance() -> None:
    loss = train(small(), tied=False)
    assert abs(loss.metrics["accuracy_ab"].item() - 0.5) < 0.1
    assert abs(loss.metrics["accuracy_lightness"].item() - 0.5) < 0.1
    assert loss.value > 2 * math.log(2) - 0.02
    leaked = train(small(), tied=False, leak=True)
    assert leaked.metrics["accuracy_ab"] > 0.95 and leaked.metrics["accuracy_lightness"] > 0.95


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 4)])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (18, 33)])
def test_any_map_and_size_is_answered_at_a_quarter(strides: tuple[int, int], height: int, width: int) -> None:
    model = small(strides)
    question = model.ask(images(2, height, width), rng())
    size = (height // 4, width // 4)
    logits = model.logits(question.seen)
    assert logits["ab"].shape == (2, len(model.bins), *size) and logits["lightness"].shape == (2, 100, *size)
    assert torch.isfinite(model.judge(question).value)


def test_show_has_what_each_half_sees_and_says() -> None:
    model = small()
    train(model, tied=True)
    given = model.images(blocks(99, tied=True, count=5))
    lightness, colorized, colors, lit, true = model.show(given, rng())
    assert torch.equal(true, given) and lightness.shape == colors.shape == given.shape
    assert (colorized - true).abs().mean() < 0.5 * (lightness - true).abs().mean()
    assert (lit - lightness).abs().mean() < 0.02


def test_too_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="4 px or more"):
        small().ask(images(1, 3, 8), rng())


def deep(seed: int, count: int = 32) -> Clips:
    """Orange blocks are near, blue ones far; a fifth of the depths is unknown."""
    clips = blocks(seed, tied=True, count=count)
    blue = clips.frames[:, 0, 0, 2].float() > clips.frames[:, 0, 0, 0].float()
    depth = torch.where(blue, 1.31, 0.51)
    unknown = torch.rand(depth.shape, generator=rng(seed)) < 0.2
    return clips._replace(depth=depth.masked_fill(unknown, 0)[:, None, None])


def test_image_and_depth_are_predicted_from_each_other() -> None:
    torch.manual_seed(0)
    model = SplitBrain(Conv((8, 16), (2, 2)), split="rgbd")
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(60):
        optimizer.zero_grad()
        model.loss(deep(step), rng()).value.backward()
        optimizer.step()
    clips = deep(99)
    metrics = model.eval().loss(clips, rng()).metrics
    assert min(metrics[f"accuracy_{name}"] for name in ("depth", "ab", "lightness")) > 0.9
    given = model.depth_m(model.images(clips)).repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert clips.depth is not None
    true = clips.depth[:, 0, 0]
    assert (given - true)[true > 0].abs().mean() < 0.05
    image, predicted, sees, _, _ = model.shown(clips, rng())
    assert torch.equal(image, model.images(clips)) and torch.equal(sees[:, 0], true / 2)
    assert (predicted - sees)[(sees > 0)].abs().mean() < 0.03


def test_unknown_depth_costs_nothing() -> None:
    assert depth_bin(torch.tensor([0.0, 0.001, 0.019, 0.021, 1.999, 5.0])).tolist() == [-100, 0, 0, 1, 99, 99]
    model = SplitBrain(Conv((8, 16), (2, 2)), split="rgbd").eval()
    given, depth = images(), torch.rand(3, 16, 20, generator=rng()) + 0.5
    question = model.ask(given, rng(), depth)
    hidden = {**question.hidden, "depth": torch.full_like(question.hidden["depth"], -100)}
    free = model.judge(question._replace(hidden=hidden))
    logits = model.logits(question.seen)["depth"]
    costs = torch.nn.functional.cross_entropy(logits, question.hidden["depth"])
    torch.testing.assert_close(model.judge(question).value - free.value, costs)
    assert model.pick(Layout(np.array([5, 5]), 1, ("front",)), np.random.default_rng(0)).depth
    with pytest.raises(InputError, match="collect --depth"):
        model.ask(given, rng())
    with pytest.raises(InputError, match="lab, rgbd"):
        SplitBrain(Conv((8, 16), (2, 2)), split="hsv")  # pyright: ignore[reportArgumentType]
