from __future__ import annotations

import pytest
import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from lab_blocks import blocks
from torch import Tensor

from sslctrl.errors import InputError
from sslctrl.objective import Loss
from vision.backbones.conv import Conv
from vision.color import soft_encoded
from vision.image.colorization import Colorization


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(strides: tuple[int, int] = (2, 2), uniform: float = 0.5) -> Colorization:
    torch.manual_seed(0)
    return Colorization(Conv((8, 16), strides), uniform=uniform)


def train(model: Colorization, tied: bool, leak: bool = False, steps: int = 60) -> Loss:
    """Return the loss of blocks never seen, after training; `leak` shows the net the colours that it is to say."""

    def loss(seed: int) -> Loss:
        images = model.images(blocks(seed, tied))
        question = model.ask(images, rng())
        return model.judge(question._replace(images=images) if leak else question)

    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).value.backward()
        optimizer.step()
    model.eval()
    return loss(steps)


def images(count: int = 4, height: int = 16, width: int = 20) -> Tensor:
    return torch.rand(count, 3, height, width, generator=rng())


def test_the_net_is_shown_no_colour() -> None:
    lab = torch.cat([torch.full((1, 1, 8, 8), 50.0), torch.rand(1, 2, 8, 8, generator=rng()) * 40 - 20], dim=1)
    lab[:, 0] += torch.rand(8, 8, generator=rng(1)) * 10
    other = torch.cat([lab[:, :1], -lab[:, 1:]], dim=1)
    shown, same = (small().ask(lab_to_rgb(one), rng()) for one in (lab, other))
    torch.testing.assert_close(shown.images, same.images, atol=1e-4, rtol=0)
    torch.testing.assert_close(shown.images, (lab[:, :1] / 100).expand(1, 3, 8, 8), atol=1e-4, rtol=0)
    assert (shown.colors - same.colors).abs().amax(1).min() > 0.1


def test_labels_are_the_colours_of_every_fourth_pixel() -> None:
    model = small()
    colors = model.ask(images(), rng()).colors
    assert colors.shape == (4, len(model.bins), 4, 5)
    pixels = rgb_to_lab(images())[:, 1:, 2::4, 2::4]
    assert torch.equal(colors, soft_encoded(pixels, model.bins))


def test_the_prior_is_the_mean_of_the_batches_of_training() -> None:
    model = small()
    assert torch.equal(model.weights(), torch.ones(len(model.bins)))  # before any batch, none is rare
    questions = [model.ask(images(count), rng()) for count in (2, 3, 4)]
    for question in questions:
        model.judge(question)
    expected = torch.stack([question.colors.mean((0, 2, 3)) for question in questions]).mean(0)
    torch.testing.assert_close(model.prior, expected)
    before = model.prior.clone()
    model.eval().judge(questions[0])
    assert torch.equal(model.prior, before)
    opened = small()
    opened.load_state_dict(model.state_dict())
    assert torch.equal(opened.prior, before) and opened.batches == 3
    opened.train().judge(questions[0])
    model.train().judge(questions[0])
    assert torch.equal(opened.prior, model.prior) and not torch.equal(model.prior, before)


def test_rare_colours_weigh_more() -> None:
    model = small()
    model.judge(model.ask(model.images(blocks(0, tied=True)), rng()))
    prior, weights = model.prior.tolist(), model.weights().tolist()
    unscaled = [1 / (0.5 * p + 0.5 / len(prior)) for p in prior]
    mean = sum(p * w for p, w in zip(prior, unscaled, strict=True))
    assert weights == pytest.approx([w / mean for w in unscaled], rel=1e-4)
    assert (model.prior * model.weights()).sum().item() == pytest.approx(1)
    assert model.weights()[model.prior.argmax()] == model.weights().min() < 0.5 * model.weights().max()
    plain = small(uniform=1.0)
    plain.judge(plain.ask(images(), rng()))
    torch.testing.assert_close(plain.weights(), torch.ones(len(plain.bins)))


def test_the_loss_is_the_weighted_cross_entropy_of_a_loop() -> None:
    model = small().eval()
    model.prior.copy_(torch.rand(len(model.prior), generator=rng()) ** 8).div_(model.prior.sum())
    question = model.ask(images(2), rng())
    loss = model.judge(question)
    log = model.logits(question.images).log_softmax(1).detach()
    weights, naive, right = model.weights(), 0.0, 0
    for n in range(2):
        for y in range(4):
            for x in range(5):
                color = question.colors[n, :, y, x]
                naive -= float(weights[color.argmax()] * (color * log[n, :, y, x]).sum())
                right += int(color.argmax() == log[n, :, y, x].argmax())
    assert loss.value.item() == pytest.approx(naive / 40, rel=1e-4)
    assert loss.metrics["accuracy"].item() == pytest.approx(right / 40)


def test_no_constant_answer_is_better_than_the_one_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small().eval()
    question = model.ask(model.images(blocks(0, tied=False)), rng())
    answer = torch.zeros(1, len(model.bins), 1, 1, requires_grad=True)
    monkeypatch.setattr(model, "logits", lambda given: answer.expand(len(given), -1, 4, 4))
    optimizer = torch.optim.Adam([answer], 0.3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.judge(question)
        loss.value.backward()
        optimizer.step()
    constant = loss.metrics["cross_entropy_constant"].item()
    assert constant <= loss.value.item() < constant + 0.02


def test_learns_the_colours_that_lightness_tells() -> None:
    loss = train(small(), tied=True)
    assert loss.metrics["accuracy"] > 0.95
    assert loss.value < 0.75 * loss.metrics["cross_entropy_constant"]


def test_colours_that_lightness_does_not_tell_stay_at_chance() -> None:
    loss = train(small(), tied=False)
    assert abs(loss.metrics["accuracy"].item() - 0.5) < 0.1
    assert loss.value > loss.metrics["cross_entropy_constant"] - 0.02
    assert train(small(), tied=False, leak=True).metrics["accuracy"] > 0.95


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (2, 4)])
@pytest.mark.parametrize(("height", "width"), [(48, 48), (18, 33)])
def test_any_map_and_size_is_answered_at_a_quarter(strides: tuple[int, int], height: int, width: int) -> None:
    model = small(strides)
    question = model.ask(images(2, height, width), rng())
    assert model.logits(question.images).shape == (2, len(model.bins), height // 4, width // 4)
    assert torch.isfinite(model.judge(question).value)


def test_show_has_grey_colourised_and_true() -> None:
    model = small()
    train(model, tied=True)
    given = model.images(blocks(99, tied=True, count=5))
    grey, colorized, true = model.show(given, rng())
    assert torch.equal(true, given) and grey.shape == colorized.shape == given.shape
    assert torch.equal(grey[:, 0], grey[:, 2]) and not torch.equal(true[:, 0], true[:, 2])
    assert (colorized - true).abs().mean() < 0.5 * (grey - true).abs().mean()


@pytest.mark.parametrize("uniform", [0.0, -0.5, 1.5, float("nan")])
def test_shares_that_cannot_be_are_refused(uniform: float) -> None:
    with pytest.raises(InputError, match="uniform is"):
        small(uniform=uniform)


def test_too_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="4 px or more"):
        small().ask(images(1, 3, 8), rng())
