from __future__ import annotations

import math

import pytest
import torch
from kornia.color import rgb_to_lab
from torch import Tensor

from sslctrl.errors import InputError
from vision.color import (
    PixelHead,
    ab_bins,
    annealed_mean,
    colored,
    grey,
    lightness_bin,
    nearest_bin,
    quartered,
    soft_encoded,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def colors(count: int = 3, side: int = 6) -> Tensor:
    """Lab of random sRGB colours, and of the cube's corners."""
    images = torch.rand(count, 3, side, side, generator=rng())
    images[0, :, 0] = torch.cartesian_prod(*3 * [torch.tensor([0.0, 1.0])]).T[:, :side]
    return rgb_to_lab(images)


def test_lab_has_its_own_scales_not_those_of_8_bit() -> None:
    white_and_red = torch.tensor([[1.0, 1, 1], [1, 0, 0]])[:, :, None, None]
    expected = torch.tensor([[100.0, 0, 0], [53.24, 80.09, 67.20]])  # CIE, D65
    torch.testing.assert_close(rgb_to_lab(white_and_red)[:, :, 0, 0], expected, atol=0.02, rtol=0)


def test_bins_are_those_that_colours_of_the_whole_cube_round_to() -> None:
    levels = torch.arange(0, 256, 2) / 255
    cube = torch.cartesian_prod(levels, levels, levels).T[None, :, :, None]
    rounded = (rgb_to_lab(cube)[0, 1:, :, 0] / 10).round().long()
    codes = (rounded[0] * 100 + rounded[1]).unique()
    bins = ab_bins()
    assert len(bins) == 261 and bins.dtype == torch.float32
    assert torch.equal((bins[:, 0] * 10 + bins[:, 1] / 10).long().sort().values, codes)


def test_soft_encoding_has_five_bins_weighted_by_their_distance() -> None:
    bins, ab = ab_bins(), colors()[:, 1:]
    encoded = soft_encoded(ab, bins)
    assert encoded.shape == (3, len(bins), 6, 6)
    assert ((encoded > 0).sum(1) == 5).all()
    torch.testing.assert_close(encoded.sum(1), torch.ones(3, 6, 6))
    for n, y, x in [(0, 0, 0), (0, 0, 4), (1, 2, 3), (2, 5, 5)]:
        distances = [math.dist(ab[n, :, y, x].tolist(), one) for one in bins.tolist()]
        nearest = sorted(range(len(bins)), key=distances.__getitem__)[:5]
        weights = [math.exp(-(distances[index] ** 2) / 50) for index in nearest]
        expected = torch.zeros(len(bins))
        expected[nearest] = torch.tensor(weights) / sum(weights)
        torch.testing.assert_close(encoded[n, :, y, x], expected, atol=1e-5, rtol=1e-4)
        assert nearest_bin(ab, bins)[n, y, x] == nearest[0]


def test_a_bins_centre_is_its_own() -> None:
    bins = ab_bins()
    centres = bins.T[None, :, :, None]
    assert torch.equal(nearest_bin(centres, bins)[0, :, 0], torch.arange(len(bins)))
    assert torch.equal(soft_encoded(centres, bins)[0, :, :, 0].argmax(0), torch.arange(len(bins)))


def test_annealed_mean_sharpens_the_distribution_and_then_takes_its_mean() -> None:
    values = torch.tensor([[0.0, 10], [20, -10], [40, 0]])
    logits = torch.randn(2, 3, 4, 5, generator=rng())
    z = logits.softmax(1)
    sharp = (z.log() / 0.38).exp()
    expected = torch.einsum("nqhw,qd->ndhw", sharp / sharp.sum(1, keepdim=True), values)
    torch.testing.assert_close(annealed_mean(logits, values), expected)


def test_lightness_bins_and_grey() -> None:
    lightness = torch.tensor([0.0, 0.99, 1.0, 57.5, 99.9, 100.0])[None, None, None]
    lab = torch.cat([lightness, torch.zeros(1, 2, 1, 6)], dim=1)
    assert lightness_bin(lab).tolist() == [[[0, 0, 1, 57, 99, 99]]]
    assert grey(lightness).shape == (1, 3, 1, 6)
    torch.testing.assert_close(grey(lightness)[0, :, 0, 3], torch.full((3,), 0.575))


def test_lightness_in_its_own_colours_is_the_image() -> None:
    images = torch.rand(2, 3, 8, 12, generator=rng())
    lab = rgb_to_lab(images)
    torch.testing.assert_close(colored(lab[:, :1], lab[:, 1:]), images, atol=1e-3, rtol=0)
    assert colored(lab[:, :1], lab[:, 1:, ::4, ::4]).shape == images.shape


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 22), (7, 4)])
def test_quartered_pixels_are_pixels_of_the_image(height: int, width: int) -> None:
    images = torch.arange(height * width).float().view(1, 1, height, width)
    small = quartered(images)
    assert small.shape == (1, 1, height // 4, width // 4)
    for y in range(height // 4):
        for x in range(width // 4):
            row, column = divmod(int(small[0, 0, y, x]), width)
            assert row == int((y + 0.5) * height / (height // 4))
            assert column == int((x + 0.5) * width / (width // 4))


def test_smaller_images_are_refused() -> None:
    with pytest.raises(InputError, match="3 x 8 px; allowed are sides of 4 px or more"):
        quartered(torch.zeros(1, 2, 3, 8))


def test_logits_have_a_quarter_of_the_image_whatever_the_map() -> None:
    torch.manual_seed(0)
    head = PixelHead(5, 7)
    for height, width in [(1, 1), (4, 6), (16, 24)]:
        assert head(torch.rand(2, 5, height, width, generator=rng()), 16, 25).shape == (2, 7, 4, 6)
    features = torch.rand(2, 5, 4, 6, generator=rng())
    torch.testing.assert_close(head(features, 16, 25), head.layer(features))
    flat = torch.ones(1, 5, 2, 3)
    torch.testing.assert_close(head(flat, 16, 25), head.layer(flat)[:, :, :1, :1].expand(1, 7, 4, 6))
