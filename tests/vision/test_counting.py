from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.color import rgb_to_grayscale
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.image.counting import Counting, halved, quarters

FILTERS = range(4)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(units: int = 32) -> Counting:
    torch.manual_seed(0)
    return Counting(Conv((8, 16), (2, 2)), batch=16, units=units)


def squares(seed: int, count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Up to eight white squares on black, none across the border of two quarters; and how many."""
    places = torch.rand(count, 4, 4, generator=rng(seed)) < torch.rand(count, 1, 1, generator=rng(seed + 1)) * 0.5
    cells = torch.zeros(count, 1, 32, 32)
    cells[:, :, 2::8, 2::8] = places[:, None].float()
    images = functional.max_pool2d(functional.pad(cells, (3, 0, 3, 0)), 4, stride=1)
    return images.expand(-1, 3, -1, -1), places.sum((1, 2))


def train(model: Counting, batches, steps: int) -> Counting:
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(steps):
        optimizer.zero_grad()
        model.judge(model.ask(batches(step), rng(step))).value.backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def counter() -> Counting:
    return train(small(), lambda step: squares(step)[0], 100)


def test_quarters_put_together_are_the_image() -> None:
    images = torch.rand(3, 3, 12, 8, generator=rng())
    tiles = quarters(images).unflatten(0, (4, 3))
    assert tiles.shape == (4, 3, 3, 6, 4)
    upper, lower = (torch.cat([tiles[i], tiles[i + 1]], dim=3) for i in (0, 2))
    assert torch.equal(torch.cat([upper, lower], dim=2), images)


@pytest.mark.parametrize("number", FILTERS)
def test_halving_keeps_ramps_and_evenness(number) -> None:
    ramp = torch.linspace(0.1, 0.9, 32).expand(1, 3, 32, 32)
    middle = slice(4, -4)  # at the border a wide filter sees less
    expected = functional.avg_pool2d(ramp, 2)
    torch.testing.assert_close(halved(ramp, number)[..., middle], expected[..., middle], atol=1e-5, rtol=0)


def test_filters_differ_and_each_is_drawn() -> None:
    images = torch.rand(2, 3, 16, 16, generator=rng())
    own = [halved(images, number) for number in FILTERS]
    assert all((a - b).abs().max() > 0.02 for i, a in enumerate(own) for b in own[:i])
    grey = [rgb_to_grayscale(image).expand_as(image) for image in own]
    drawn = set()
    for seed in range(40):
        wholes = small().ask(images, rng(seed)).wholes
        drawn |= {n for n in FILTERS for seen in (own[n], grey[n]) if torch.equal(wholes[0], seen[0])}
    assert drawn == set(FILTERS)


def test_other_is_halved_and_grey_as_the_image_is() -> None:
    images = torch.rand(600, 3, 16, 16, generator=rng())
    wholes, tiles, others = small().ask(images, rng(1))
    assert wholes.shape == others.shape == (600, 3, 8, 8) and tiles.shape == (2400, 3, 8, 8)
    grey_wholes, grey_tiles, grey_others = (
        (part.amax(1) - part.amin(1)).flatten(1).amax(1) < 1e-6 for part in (wholes, tiles, others)
    )
    assert torch.equal(grey_wholes, grey_others)
    assert all(torch.equal(grey_wholes, quarter) for quarter in grey_tiles.view(4, 600))
    assert abs(grey_wholes.float().mean().item() - 2 / 3) < 0.06
    luma = rgb_to_grayscale(wholes)  # grey stays as it is
    torch.testing.assert_close(rgb_to_grayscale(others), luma.roll(1, 0))
    coloured = ~grey_wholes
    assert torch.equal(tiles.view(4, 600, 3, 8, 8)[:, coloured], quarters(images).view(4, 600, 3, 8, 8)[:, coloured])


def test_odd_images_lose_a_row_and_a_column() -> None:
    images = torch.rand(2, 3, 19, 25, generator=rng())
    question = small().ask(images, rng())
    assert question.wholes.shape == (2, 3, 9, 12) and question.tiles.shape == (8, 3, 9, 12)


def test_loss_agrees_with_a_loop_over_images() -> None:
    model = small().eval()  # so that an image's count depends on no other
    with torch.no_grad():
        model.phi[2].weight.mul_(480)  # some pairs beyond the margin, some within
    question = model.ask(torch.rand(6, 3, 32, 32, generator=rng()) * torch.linspace(0.1, 1, 6).view(6, 1, 1, 1), rng(2))
    loss = model.judge(question)
    naive, hinges, paired, unpaired = 0.0, [], 0.0, 0.0

    def phi(image: torch.Tensor) -> np.ndarray:
        return model.count(image[None])[0].detach().numpy()

    for i in range(6):
        total = sum(phi(question.tiles[tile * 6 + i]) for tile in range(4))
        near = float(((phi(question.wholes[i]) - total) ** 2).sum())
        far = float(((phi(question.others[i]) - total) ** 2).sum())
        hinges.append(max(0.0, 10 - far))
        naive += (near + hinges[-1]) / 6
        paired += near**0.5 / 6
        unpaired += far**0.5 / 6
    assert 0 in hinges and max(hinges) > 0
    assert loss.value.item() == pytest.approx(naive, rel=1e-4)
    assert loss.metrics["paired"].item() == pytest.approx(paired, rel=1e-4)
    assert loss.metrics["unpaired"].item() == pytest.approx(unpaired, rel=1e-4)


def test_counting_nothing_costs_the_margin_and_is_no_minimum() -> None:
    model = small()
    for parameter in model.phi[2].parameters():
        torch.nn.init.zeros_(parameter)
    images, _ = squares(0)
    question = model.ask(images, rng())
    assert model.judge(question).value.item() == 10
    torch.nn.init.normal_(model.phi[2].weight, std=1e-3)
    metrics = model.judge(question).metrics
    assert metrics["norm"] < 0.1
    trained = train(model, lambda step: squares(step)[0], 40)
    assert trained.judge(question).value.item() < 8


def test_learns_to_count_squares(counter) -> None:
    images, number = squares(10_000, 128)
    loss = counter.judge(counter.ask(images, rng(1)))
    assert loss.metrics["paired"] < 0.25 * loss.metrics["unpaired"]
    assert loss.metrics["norm"] > 0.5
    with torch.no_grad():
        norm = counter.count(halved(images, 0)).norm(dim=1)
    assert torch.corrcoef(torch.stack([norm, number.float()]))[0, 1] > 0.8


def test_white_noise_has_nothing_to_count() -> None:
    def noise(step: int) -> torch.Tensor:
        return torch.rand(16, 3, 32, 32, generator=rng(step))

    model = train(small(), noise, 40)
    loss = model.judge(model.ask(noise(1000), rng(1)))
    assert loss.metrics["paired"] >= 0.75 * loss.metrics["unpaired"]
    assert loss.value.item() > 9  # the margin: chance


def told_apart(filters: tuple[int, ...]) -> float:
    """How well the halved are told from quarters of images that are alike at every scale, as natural ones all but are:
    the share that their nearest neighbours by the energy of their edges get right.
    """
    frequency = torch.fft.fftfreq(64).square()
    waves = (
        torch.fft.fft2(torch.randn(400, 1, 64, 64, generator=rng())) / (frequency[:, None] + frequency + 1e-4).sqrt()
    )
    images = torch.fft.ifft2(waves).real
    images = (0.5 + 0.12 * images / images.std((2, 3), keepdim=True)).clamp(0, 1)
    parts = zip(images.chunk(len(filters)), filters, strict=True)
    seen = torch.cat([halved(part, number) for part, number in parts] + [images[:, :, 16:48, 16:48]])
    changes = [seen.diff(dim=3), seen.diff(n=2, dim=3), seen[..., 2:] - seen[..., :-2], seen - seen.mean((2, 3), True)]
    energy = torch.stack([change.square().mean((1, 2, 3)) for change in changes], dim=1).log()
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(15))
    return float(cross_val_score(classifier, energy.numpy(), np.repeat([0, 1], 400), cv=5).mean())


def test_one_filter_alone_marks_the_halved_more_than_several() -> None:
    assert told_apart((0, 1, 2, 3)) < min(told_apart((number,)) for number in FILTERS) - 0.04


def test_shows_images_by_count_with_their_nearest(counter) -> None:
    images, _ = squares(5, 16)
    shown = counter.show(images, rng())
    assert shown.shape == (4, 16, 3, 16, 16)
    white = shown.mean((2, 3, 4))
    few, many = white[0].chunk(2)
    assert few.mean() < many.mean()
    assert (white[1] - white[0]).abs().mean() < (white[0].flip(0) - white[0]).abs().mean()


@pytest.mark.parametrize("options", [{"batch": 1}, {"units": 0}])
def test_options_are_refused(options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Counting(Conv((8,), (2,)), **options)


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (4, 3, 12, 32)])
def test_too_few_or_too_small_images_are_refused(shape) -> None:
    with pytest.raises(InputError, match="2 or more, of 16 px"):
        small().ask(torch.rand(shape), rng())
