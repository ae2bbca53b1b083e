from __future__ import annotations

import pytest
import torch

from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.generator import Generator
from vision.image.gan import Gan

LEVELS = (0.1, 0.9)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small() -> Gan:
    torch.manual_seed(0)
    return Gan(Conv((8, 12), (2, 2)), batch=16, z_dim=4, width=4)


def halves(count: int, seed: int) -> torch.Tensor:
    """Images of which the left or the right half is bright."""
    images = torch.full((count, 3, 16, 16), LEVELS[0])
    side = torch.randint(2, (count,), generator=rng(seed))
    images[side == 0, :, :, :8] = images[side == 1, :, :, 8:] = LEVELS[1]
    return images


def train(model: Gan, parameters, steps: int) -> list[dict[str, torch.Tensor]]:
    optimizer = torch.optim.Adam(parameters, 2e-3, betas=model.betas)
    told = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.judge(model.ask(halves(16, step), rng(step)))
        loss.value.backward()
        optimizer.step()
        told.append(loss.metrics)
    return told


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (20, 13)])
def test_generates_images_of_any_size_and_remembers_it(size) -> None:
    generator = Generator(dim=5, width=2).eval()
    noise = generator.noise(7, rng())
    images = generator(noise, like=torch.zeros(1, 3, *size))
    assert images.shape == (7, 3, *size)
    assert images.min() >= 0 and images.max() <= 1
    other = Generator(dim=5, width=2).eval()
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other(noise), images)


def test_the_noise_is_uniform_and_drawn_in_the_question() -> None:
    model = small()
    images, noise = model.ask(torch.rand(500, 3, 16, 16), rng())
    assert noise.shape == (500, 4) and -1 <= noise.min() < -0.99 and 0.99 < noise.max() <= 1
    assert noise.mean().abs() < 0.05 and noise.var() == pytest.approx(1 / 3, abs=0.02)
    assert torch.equal(noise, model.ask(images, rng()).noise)
    assert not torch.equal(noise, model.ask(images, rng(1)).noise)


def naive(model: Gan, images: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The discriminator's loss and the generator's, image by image, in eval mode."""
    told, fooled = torch.zeros(()), torch.zeros(())
    generated = model.generator(noise)
    for image, fake in zip(images, generated, strict=True):
        p_real, p_fake = (torch.sigmoid(model.head(model.backbone(one[None]))[0, 0]) for one in (image, fake))
        told = told - (p_real.log() + (1 - p_fake).log()) / len(images)
        fooled = fooled - p_fake.log() / len(images)
    return told, fooled


def test_loss_is_the_naive_one_and_each_players_gradient_its_own() -> None:
    model = small().eval()
    question = model.ask(torch.rand(6, 3, 16, 16, generator=rng()), rng())
    loss = model.judge(question)
    told, fooled = naive(model, *question)
    assert loss.value.item() == pytest.approx((told + fooled).item(), rel=1e-5)
    assert loss.metrics["discriminator"].item() == pytest.approx(told.item(), rel=1e-5)
    discriminator, generator = [*model.backbone.parameters(), *model.head.parameters()], [*model.generator.parameters()]
    found = torch.autograd.grad(loss.value, discriminator + generator)
    wanted = torch.autograd.grad(told, discriminator, retain_graph=True) + torch.autograd.grad(fooled, generator)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)


def test_each_player_learns_against_the_other_as_it_is() -> None:
    model = small()
    told = train(model, [*model.backbone.parameters(), *model.head.parameters()], 30)
    assert told[-1]["discriminator"] < 0.5 * told[0]["discriminator"] and told[-1]["accuracy"] > 0.95
    fooled = train(model, model.generator.parameters(), 60)
    assert fooled[-1]["generator"] < 0.5 * fooled[0]["generator"]


def test_generates_both_kinds_of_images() -> None:
    torch.manual_seed(0)
    model = Gan(Conv((8, 12), (2, 2)), batch=16, z_dim=4, width=16)
    train(model, model.parameters(), 250)
    made = model.eval().generate(200, rng())
    assert made.shape == (200, 3, 16, 16)
    left = made[..., :8].mean((1, 2, 3)) > made[..., 8:].mean((1, 2, 3))
    assert 0.2 < left.float().mean() < 0.8
    error = torch.cdist(made.flatten(1), halves(50, 0).unique(dim=0).flatten(1)).min(1).values
    assert (error / 768**0.5).mean() < 0.25  # middle grey is 0.4 away from either


def test_batch_norm_has_seen_real_images_alone() -> None:
    model = small()
    for step in range(60):
        model.judge(model.ask(halves(16, step), rng(step)))
    conv, norm = next(iter(model.backbone.layers))
    wanted = conv(halves(1000, 0)).mean((0, 2, 3))
    assert torch.allclose(norm.running_mean, wanted, atol=0.02)
    assert not torch.allclose(norm.running_mean, conv(model.generate(1000, rng())).mean((0, 2, 3)), atol=0.02)


def test_shows_the_nearest_of_the_given_images() -> None:
    images = torch.rand(5, 3, 24, 32, generator=rng())
    generated, nearest = small().eval().show(images, rng())
    assert generated.shape == images.shape
    assert all(any(torch.equal(one, image) for image in images) for one in nearest)


@pytest.mark.parametrize("options", [{"z_dim": 0}, {"width": 0}, {"batch": 0}])
def test_bad_options_are_refused(options) -> None:
    with pytest.raises(InputError, match="allowed"):
        Gan(Conv((8,), (2,)), **options)
