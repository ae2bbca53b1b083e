from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from sslctrl.clips import Clips
from sslctrl.errors import InputError
from sslctrl.objective import Loss
from vision.backbones.conv import Conv
from vision.image.denoising import Denoising, random_pixels


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(noise: str = "mask", nu: float = 0.25) -> Denoising:
    torch.manual_seed(0)
    return Denoising(Conv((8, 16), (2, 1)), noise=noise, nu=nu)


class Copying(nn.Module):
    """A decoder that gives back what the backbone gave it."""

    def forward(self, features: torch.Tensor, size: torch.Size) -> torch.Tensor:
        return features


def copying(noise: str, nu: float) -> Denoising:
    model = small(noise, nu)
    model.backbone, model.decoder = nn.Identity(), Copying()
    return model


def train(model: Denoising, batches, steps: int) -> Loss:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model.judge(model.ask(batches(step), rng(step))).value.backward()
        optimizer.step()
    return model.eval().judge(model.ask(batches(steps), rng(steps)))


def white(step: int) -> torch.Tensor:
    return torch.rand(16, 3, 16, 16, generator=rng(1000 + step))


def waves(step: int) -> torch.Tensor:
    """Images of one colour that slowly turns into another."""
    ends = torch.rand(2, 16, 3, 1, 1, generator=rng(step))
    return (ends[0] + (ends[1] - ends[0]) * torch.linspace(0, 1, 16)).expand(16, 3, 16, 16)


@pytest.mark.parametrize("nu", [0.1, 0.25, 0.5])
def test_a_fixed_number_of_pixels_is_black_in_all_channels_and_no_other_is_touched(nu) -> None:
    clean, corrupted, scored = small(nu=nu).ask(white(0) + 0.1, rng())
    assert (scored.flatten(1).sum(1) == round(nu * 256)).all()
    assert torch.equal((corrupted == 0).all(1, True), scored) and torch.equal((corrupted == 0).any(1, True), scored)
    assert torch.equal(torch.where(scored, clean, corrupted), white(0) + 0.1)  # undone bit for bit
    assert len({tuple(one.flatten().tolist()) for one in scored}) == len(scored)


def test_every_pixel_is_chosen_as_often_and_at_least_one() -> None:
    chosen = random_pixels(torch.zeros(4000, 3, 4, 5), 0.25, rng()).float().mean((0, 1))
    assert (chosen - 0.25).abs().max() < 0.03
    assert random_pixels(torch.zeros(3, 3, 4, 4), 0.001, rng()).sum((1, 2, 3)).tolist() == [1, 1, 1]


def test_gaussian_noise_has_the_deviation_it_is_given() -> None:
    clean, corrupted, scored = small("gaussian", 0.1).ask(torch.rand(64, 3, 32, 32, generator=rng(1)), rng())
    assert scored.all() and scored.shape == (64, 1, 32, 32)
    assert (corrupted - clean).std().item() == pytest.approx(0.1, rel=0.01)
    assert abs((corrupted - clean).mean().item()) < 1e-3


@pytest.mark.parametrize("noise", ["mask", "gaussian"])
def test_loss_is_a_naive_loop_over_scored_pixels(noise) -> None:
    model = small(noise).eval()
    clean, corrupted, scored = question = model.ask(white(0)[:3, :, :8, :8], rng())
    answers = model.decoder(model.backbone(corrupted), clean.shape[2:])
    ours, theirs = [], []
    for index in range(3):
        for row in range(8):
            for column in range(8):
                if scored[index, 0, row, column]:
                    for channel in range(3):
                        at = (index, channel, row, column)
                        ours.append((answers[at] - clean[at]).item() ** 2)
                        theirs.append((corrupted[at] - clean[at]).item() ** 2)
    mse, before = (math.fsum(errors) / len(errors) for errors in (ours, theirs))
    loss = model.judge(question)
    assert loss.value.item() == pytest.approx(mse, rel=1e-4)
    assert loss.metrics["psnr_gain_db"].item() == pytest.approx(10 * math.log10(before / mse), rel=1e-3)


@pytest.mark.parametrize("noise", ["mask", "gaussian"])
@pytest.mark.parametrize("nu", [0.02, 0.5])
def test_a_net_that_copies_gains_nothing_however_little_noise_there_is(noise, nu) -> None:
    model = copying(noise, nu)
    question = model.ask(white(0) + 0.1, rng())
    loss = model.judge(question)
    assert loss.metrics["psnr_gain_db"].item() == pytest.approx(0, abs=1e-4)
    everywhere = model.judge(question._replace(scored=torch.ones_like(question.scored)))
    if noise == "mask":  # scored everywhere, it would seem the better the less noise there is
        assert everywhere.value.item() == pytest.approx(loss.value.item() * nu, rel=0.05)


def test_white_noise_is_not_restored_better_than_its_mean() -> None:
    assert train(small(), white, 40).value.item() > 1 / 12 - 0.002  # the variance of what is uniform in [0, 1]


def test_learns_to_restore_smooth_images() -> None:
    assert train(small(), waves, 80).metrics["psnr_gain_db"] > 10
    assert train(small("gaussian"), waves, 80).metrics["psnr_gain_db"] > 5


def test_restores_what_is_black_and_keeps_the_rest_bit_for_bit() -> None:
    model = small().eval()
    _, corrupted, scored = model.ask(white(0) + 0.1, rng())
    restored = model.restore(corrupted)
    assert torch.equal(restored.masked_fill(scored, 0), corrupted)
    assert restored.shape == corrupted.shape and not restored.requires_grad
    blurred = small("gaussian").eval().restore(3 * corrupted - 1)
    assert blurred.min() >= 0 and blurred.max() <= 1


@pytest.mark.parametrize("noise", ["mask", "gaussian"])
@pytest.mark.parametrize("size", [(16, 16), (48, 48), (20, 33)])
def test_shows_corrupted_restored_and_clean(noise, size) -> None:
    images = torch.rand(4, 3, *size, generator=rng())
    shown = small(noise).eval().show(images, rng())
    assert shown.shape == (3, 4, 3, *size) and shown.min() >= 0 and shown.max() <= 1
    assert torch.equal(shown[2], images) and not torch.equal(shown[0], images)


def test_black_images_cost_a_finite_loss() -> None:
    metrics = small().loss(Clips(torch.zeros(2, 1, 1, 3, 16, 16, dtype=torch.uint8)), rng()).metrics
    assert all(torch.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("options", [{"noise": "salt"}, {"nu": 0.0}, {"nu": 1.0}, {"nu": math.nan}, {"batch": 0}])
def test_options_that_cannot_be_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Denoising(Conv((8,), (2,)), **options)
