from __future__ import annotations

import pytest
import torch

from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.image.bigan import Bigan


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small() -> Bigan:
    torch.manual_seed(0)
    return Bigan(Conv((8, 12), (2, 2)), batch=16, z_dim=4, width=4)


def dark(count: int, seed: int) -> torch.Tensor:
    """Images that no untrained generator makes: its are grey."""
    return 0.2 * torch.rand(count, 3, 16, 16, generator=rng(seed))


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


def test_the_discriminators_trunk_is_the_backbone_with_weights_of_its_own() -> None:
    model = small()
    for one, other in zip(model.backbone.parameters(), model.discriminator.trunk.parameters(), strict=True):
        assert one.shape == other.shape and one.data_ptr() != other.data_ptr()
        assert one.ndim == 1 or not torch.equal(one, other)


def test_batch_norm_of_the_discriminator_has_seen_real_images_alone() -> None:
    model = small()
    for step in range(60):
        model.judge(model.ask(dark(16, step), rng(step)))
    conv, norm = next(iter(model.discriminator.trunk.layers))
    assert torch.allclose(norm.running_mean, conv(dark(1000, 0)).mean((0, 2, 3)), atol=0.02)
    made = model.generate(model.generator.noise(1000, rng()))
    assert not torch.allclose(norm.running_mean, conv(made).mean((0, 2, 3)), atol=0.02)


def test_inversion_ratio_is_the_naive_one() -> None:
    model = small().eval()
    images = torch.rand(5, 3, 24, 16, generator=rng())
    codes = model.encode(images)
    own = other = 0.0
    for index in range(5):
        model.inversion_ratio(images[index : index + 1])  # of this size
        made = [model.generate(codes[[at]])[0] for at in (index, index - 1)]
        own += (images[index] - made[0]).square().sum().sqrt().item()
        other += (images[index] - made[1]).square().sum().sqrt().item()
    assert model.inversion_ratio(images).item() == pytest.approx(own / other, rel=1e-4)


def test_inversion_ratio_is_one_where_the_code_knows_nothing() -> None:
    model = small().eval()
    model.head[-1].weight.data.zero_()
    assert model.inversion_ratio(torch.rand(5, 3, 16, 16, generator=rng())).item() == pytest.approx(1)


def test_shows_images_what_their_codes_make_and_what_noise_makes() -> None:
    model = small().eval()
    images = torch.rand(5, 3, 24, 32, generator=rng())
    given, inverted, generated = model.show(images, rng())
    assert torch.equal(given, images)
    assert torch.equal(inverted, model.generate(model.encode(images)))
    assert torch.equal(generated, model.generate(model.generator.noise(5, rng())))


@pytest.mark.parametrize("options", [{"z_dim": 0}, {"width": 0}, {"batch": 0}])
def test_bad_options_are_refused(options) -> None:
    with pytest.raises(InputError, match="allowed"):
        Bigan(Conv((8,), (2,)), **options)
