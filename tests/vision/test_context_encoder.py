from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sslctrl.clips import Clips
from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.holes import widened
from vision.image.context_encoder import ContextEncoder

MASKS = ["center", "block", "region"]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(mask: str = "region", adversarial: float = 0.001, backbone: Conv | None = None) -> ContextEncoder:
    torch.manual_seed(0)
    return ContextEncoder(backbone or Conv((8, 16), (2, 2)), mask=mask, adversarial=adversarial)


class Silent(nn.Module):
    """A decoder that adds nothing."""

    def forward(self, features: torch.Tensor, size: torch.Size) -> torch.Tensor:
        return torch.zeros(len(features), 3, *size)


def hole_error(model: ContextEncoder, batches, steps: int, leak: bool = False) -> float:
    """Train, and return the error on images never seen; with a leak, the holes are left as they were."""
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        question = model.ask(batches(step), rng(step))
        model.judge(question._replace(covered=question.images) if leak else question).value.backward()
        optimizer.step()
    images, holes, covered = model.eval().ask(batches(steps), rng(steps))
    with torch.no_grad():
        answer = model._answer(images if leak else covered)
    by_net, by_mean = (((given - images).square() * holes).sum() for given in (answer, covered))
    return (by_net / by_mean).item()


def white(step: int) -> torch.Tensor:
    return torch.rand(16, 3, 16, 16, generator=rng(1000 + step))


def halves(step: int) -> torch.Tensor:
    """Images whose left half is of one colour, and the right one of another."""
    return torch.rand(16, 3, 1, 2, generator=rng(step)).repeat_interleave(8, 3).expand(16, 3, 16, 16)


@pytest.mark.parametrize("mask", MASKS)
def test_what_is_shown_is_the_image_around_holes_that_say_nothing(mask) -> None:
    model = small(mask)
    images, holes, covered = model.ask(white(0), rng())
    assert torch.equal(torch.where(holes, images, covered), white(0))  # undone bit for bit
    other = torch.where(holes, white(1), white(0))
    assert torch.equal(model.ask(other, rng()).covered, covered)
    assert not torch.equal(covered, images)


@pytest.mark.parametrize("mask", MASKS)
def test_loss_is_a_naive_loop_over_hole_and_band(mask) -> None:
    model = small(mask, adversarial=0).eval()
    images, holes, covered = question = model.ask(torch.rand(2, 3, 32, 32, generator=rng()), rng())
    errors = (model._answer(covered) - images).square().sum(1).detach()
    mean_fill = (covered - images).square().sum(1)
    cost = pixels = in_hole = by_mean = 0.0
    for index, row, column in torch.cartesian_prod(torch.arange(2), torch.arange(32), torch.arange(32)).tolist():
        near = holes[index, 0, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        inside, error = holes[index, 0, row, column], errors[index, row, column].item()
        if near.any():
            pixels += 3
            cost += 4 * error * (1 if inside else 10)
        if inside:
            in_hole += error
            by_mean += mean_fill[index, row, column].item()
    loss = model.judge(question)
    assert loss.value.item() == pytest.approx(cost / pixels, rel=1e-4)
    assert loss.metrics["hole_error_over_mean_fill"].item() == pytest.approx(in_hole / by_mean, rel=1e-4)
    assert "discriminator_accuracy" not in loss.metrics


def test_the_mean_colour_scores_one() -> None:
    model = small()
    model.decoder = Silent()
    error = model.judge(model.ask(white(0), rng())).metrics["hole_error_over_mean_fill"].item()
    assert error == pytest.approx(1, abs=1e-4)


def test_each_player_gets_its_own_gradient() -> None:
    model = small().eval()
    question = model.ask(white(0), rng())
    model.judge(question).value.backward()
    images, holes, covered = question
    region = widened(holes)
    real, made = images * region, model._answer(covered) * region
    bce = nn.functional.binary_cross_entropy_with_logits
    of_real, of_made = (model.discriminator(given) for given in (real, made))
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
    players = {name: name.startswith("discriminator") for name, _ in model.named_parameters()}
    telling = bce(of_real, ones) + bce(of_made, zeros)
    error = (made - real).square() * torch.where(holes, 4, 40)
    repairing = 0.999 * error.sum() / (3 * region.sum()) + 0.001 * bce(of_made, ones)
    for loss, discriminators in ((telling, True), (repairing, False)):
        own = [value for name, value in model.named_parameters() if players[name] == discriminators]
        for value, expected in zip(own, torch.autograd.grad(loss, own, retain_graph=True), strict=True):
            torch.testing.assert_close(value.grad, expected, rtol=1e-3, atol=1e-7)


def test_the_discriminator_sees_hole_and_band_alone_and_its_accuracy_is_told() -> None:
    model = small()
    seen, said = [], []
    model.discriminator.register_forward_hook(lambda _, given, logits: seen.append(given[0]) or said.append(logits))
    question = model.ask(white(0), rng())
    accuracy = model.judge(question).metrics["discriminator_accuracy"]
    region = widened(question.holes)
    assert len(seen) == 3 and not any(given.masked_fill(region, 0).any() for given in seen)
    assert torch.equal(seen[0], question.images * region) and torch.equal(seen[1], seen[2])
    right = int((said[0] > 0).sum() + (said[1] < 0).sum())
    assert accuracy.item() == pytest.approx(right / 32)


def test_the_discriminator_rests_where_it_is_right_enough() -> None:
    model = small().eval()
    question = model.ask(white(0), rng())
    with torch.no_grad():
        model.discriminator[-1].weight.zero_()
        model.discriminator[-1].bias.zero_()  # all undecided: none is told right
        learning = model.judge(question)
        model.discriminator = Knowing(real=torch.where(widened(question.holes), question.images, 0))
        resting = model.judge(question)
    share = 0.999 * learning.metrics["reconstruction"]
    assert learning.metrics["discriminator_accuracy"] == 0 and resting.metrics["discriminator_accuracy"] == 1
    assert learning.value.item() == pytest.approx(share.item() + (2 + 0.001) * math.log(2), rel=1e-4)
    assert resting.value.item() == pytest.approx(share.item() + 0.001 * math.log(1 + math.e), rel=1e-4)


class Knowing(nn.Module):
    """A discriminator that knows the real ones by heart: logit 1 or -1."""

    def __init__(self, real: torch.Tensor) -> None:
        super().__init__()
        self.real = real

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return (given == self.real).all((1, 2, 3)).float()[:, None] * 2 - 1


def test_without_an_adversary_there_is_no_discriminator() -> None:
    assert small(adversarial=0).discriminator is None
    assert not [name for name in small(adversarial=0).state_dict() if "discriminator" in name]


def test_white_noise_is_not_filled_better_than_by_its_mean_unless_it_leaks() -> None:
    clear, leaking = (small(backbone=Conv((16,), (1,))) for _ in range(2))
    assert hole_error(clear, white, 60) > 0.98
    assert hole_error(leaking, white, 60, leak=True) < 0.6


@pytest.mark.parametrize("mask", MASKS)
def test_learns_to_fill_smooth_images(mask) -> None:
    assert hole_error(small(mask), halves, 80) < 0.6


def test_the_middle_of_a_hole_hears_of_the_far_corner() -> None:
    model = small("center", adversarial=0)
    nn.init.normal_(model.context.weight)  # as it starts, it passes the map on
    covered = model.ask(torch.rand(1, 3, 64, 64, generator=rng()), rng()).covered.requires_grad_()
    of_corner = torch.autograd.grad(model.eval()._answer(covered)[0, :, 32, 32].sum(), covered)[0][0, :, :4, :4]
    assert of_corner.any()


def test_fills_the_hole_and_keeps_the_rest_bit_for_bit() -> None:
    model = small().eval()
    images, holes, _ = model.ask(white(0), rng())
    filled = model.fill(images, holes)
    assert torch.equal(filled.masked_fill(holes, 0), images.masked_fill(holes, 0))
    assert torch.equal(filled, model.fill(images.masked_fill(holes, math.nan), holes))
    assert filled.min() >= 0 and filled.max() <= 1 and not filled.requires_grad
    assert not torch.equal(filled, images)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("size", [(16, 16), (48, 48), (20, 33)])
def test_shows_covered_filled_and_whole(mask, size) -> None:
    images = torch.rand(4, 3, *size, generator=rng())
    shown = small(mask).eval().show(images, rng())
    assert shown.shape == (3, 4, 3, *size) and shown.min() >= 0 and shown.max() <= 1
    assert torch.equal(shown[2], images) and not torch.equal(shown[0], images)


def test_black_images_cost_a_finite_loss() -> None:
    metrics = small().loss(Clips(torch.zeros(2, 1, 1, 3, 16, 16, dtype=torch.uint8)), rng()).metrics
    assert all(torch.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("mask", MASKS)
def test_images_that_are_too_small_are_refused(mask) -> None:
    with pytest.raises(InputError, match="9 x 7 px"):
        small(mask).ask(torch.rand(1, 3, 7, 9), rng())


@pytest.mark.parametrize("options", [{"mask": "star"}, {"adversarial": -0.1}, {"adversarial": 1.0}, {"batch": 0}])
def test_options_that_cannot_be_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        ContextEncoder(Conv((8,), (2,)), **options)
