from __future__ import annotations

import pytest
import torch

from vision.backbones.conv import Conv
from vision.image.bigan import Bigan


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small() -> Bigan:
    torch.manual_seed(0)
    return Bigan(Conv((8, 12), (2, 2)), batch=16, z_dim=4, width=4)


def players(model: Bigan) -> dict[str, list[torch.nn.Parameter]]:
    encoder = [*model.backbone.parameters(), *model.head.parameters()]
    return {
        "discriminator": [*model.discriminator.parameters()],
        "encoder and generator": [*encoder, *model.generator.parameters()],
    }


def naive(model: Bigan, images: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The discriminator's loss and that of the other two, pair by pair, in eval mode."""
    told, fooled = torch.zeros(()), torch.zeros(())
    for image, z in zip(images[:, None], noise[:, None], strict=True):
        p_image = torch.sigmoid(model.discriminator(image, model.head(model.backbone(image)))[0])
        p_noise = torch.sigmoid(model.discriminator(model.generator(z), z)[0])
        told = told - (p_image.log() + (1 - p_noise).log()) / len(images)
        fooled = fooled - ((1 - p_image).log() + p_noise.log()) / len(images)
    return told, fooled


def test_loss_is_the_naive_one_and_each_players_gradient_its_own() -> None:
    model = small().eval()
    question = model.ask(torch.rand(6, 3, 16, 16, generator=rng()), rng())
    loss = model.judge(question)
    told, fooled = naive(model, *question)
    assert loss.value.item() == pytest.approx((told + fooled).item(), rel=1e-5)
    assert loss.metrics["discriminator"].item() == pytest.approx(told.item(), rel=1e-5)
    one, other = players(model).values()
    found = torch.autograd.grad(loss.value, one + other)
    wanted = torch.autograd.grad(told, one, retain_graph=True) + torch.autograd.grad(fooled, other)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-4)
