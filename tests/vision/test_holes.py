from __future__ import annotations

import pytest
import torch

from vision.holes import blocks, center, mean_filled, regions, widened

CUTS = [center, blocks, regions]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (48, 64), (35, 21)])
def test_every_image_has_a_hole_of_at_most_a_quarter(cut, size) -> None:
    holes = cut(torch.zeros(200, 3, *size), rng())
    assert holes.shape == (200, 1, *size) and holes.dtype == torch.bool
    area = holes.float().mean((1, 2, 3))
    assert area.min() > 0 and area.max() <= 0.25 + 0.5 / (size[0] * size[1])
    assert torch.equal(holes, cut(torch.zeros(200, 3, *size), rng()))


def test_the_center_is_half_of_each_side() -> None:
    hole = center(torch.zeros(2, 3, 8, 12), rng())[1, 0]
    assert hole[2:6, 3:9].all() and hole.sum() == 4 * 6


@pytest.mark.parametrize("cut", [blocks, regions])
def test_holes_differ_and_reach_every_pixel(cut) -> None:
    holes = cut(torch.zeros(2000, 3, 16, 16), rng())
    assert len({tuple(one.flatten().tolist()) for one in holes[:50]}) == 50
    often = holes.float().mean((0, 1))
    assert often.min() > 0.01 and often.max() < 0.4


def test_blocks_are_rectangles_of_an_eighth_to_a_quarter() -> None:
    alone = 0
    for hole in blocks(torch.zeros(300, 3, 64, 64), rng())[:, 0]:
        rows = hole.any(1).nonzero().flatten()
        first = hole[rows[0]].nonzero().flatten()  # the top row of the highest block
        width = int(first[-1] - first[0]) + 1
        if width == len(first) and hole[rows[0] :, first[0]].cumprod(0).sum() >= 8:
            alone += 1
            assert width >= 8
    assert alone > 200
    assert (blocks(torch.zeros(300, 3, 64, 64), rng()).sum((1, 2, 3)) >= 64).all()


def test_regions_are_a_quarter_each() -> None:
    assert (regions(torch.zeros(20, 3, 32, 48), rng()).sum((1, 2, 3)) == 32 * 48 // 4).all()


@pytest.mark.parametrize(("size", "reach"), [(16, 1), (32, 1), (64, 2)])
def test_the_band_is_all_within_reach(size, reach) -> None:
    holes = torch.rand(2, 1, size, size, generator=rng()) > 0.99
    wide = widened(holes)
    for index, row, column in torch.cartesian_prod(torch.arange(2), torch.arange(size), torch.arange(size)).tolist():
        near = holes[index, 0, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        assert wide[index, 0, row, column] == near.any()


def test_the_mean_is_of_what_is_left_and_nothing_else_stays() -> None:
    images = torch.rand(3, 3, 9, 9, generator=rng())
    holes = regions(images, rng())
    filled = mean_filled(images, holes)
    for index in range(3):
        for channel in range(3):
            left = images[index, channel][~holes[index, 0]]
            torch.testing.assert_close(filled[index, channel][holes[index, 0]], left.mean().expand(holes[index].sum()))
    assert torch.equal(filled.masked_fill(holes, 0), images.masked_fill(holes, 0))
    assert torch.equal(filled, mean_filled(images.masked_fill(holes, float("nan")), holes))
