from __future__ import annotations

import pytest
import torch

from sslctrl.errors import InputError
from vision.patches import Grid, LateFusion, cut, jitter, mosaic


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(side: tuple[int, int], count: int = 1) -> torch.Tensor:
    """Images whose two channels are each pixel's row and column."""
    rows, columns = torch.meshgrid(torch.arange(side[0]), torch.arange(side[1]), indexing="ij")
    return torch.stack([rows, columns]).float().expand(count, -1, -1, -1)


def test_cut_is_slicing() -> None:
    images = torch.rand(3, 2, 11, 17, generator=rng())
    top, left = torch.randint(0, 7, (3, 4), generator=rng(1)), torch.randint(0, 13, (3, 4), generator=rng(2))
    patches = cut(images, top, left, 5)
    assert patches.shape == (3, 4, 2, 5, 5)
    for n in range(3):
        for p in range(4):
            y, x = int(top[n, p]), int(left[n, p])
            assert torch.equal(patches[n, p], images[n, :, y : y + 5, x : x + 5])


def test_cut_reads_frames_as_they_lie_in_memory() -> None:
    images = torch.rand(2, 9, 9, 3, generator=rng()).movedim(-1, 1)
    corner = torch.tensor([[4], [0]])
    assert torch.equal(cut(images, corner, corner, 5)[0, 0], images[0, :, 4:, 4:])


def test_jitter_reaches_both_ends_evenly() -> None:
    drawn = jitter((500, 10), 2, rng())
    assert drawn.shape == (500, 10) and drawn.dtype == torch.int64
    assert torch.equal(drawn, jitter((500, 10), 2, rng()))
    values, counts = drawn.unique(return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2] and counts.min() > 850
    assert not jitter((4,), 0, rng()).any()


@pytest.mark.parametrize("side", [(64, 64), (48, 80), (33, 32)])
@pytest.mark.parametrize("options", [(0.2, 1 / 2, 7 / 96), (1 / 4, 11 / 64, 5.5 / 64), (0.2, 0.3, 0.0)])
def test_a_grid_lies_anywhere_in_the_image_and_its_patches_never_overlap(side, options) -> None:
    patches = Grid(*options).patches(places(side, 400), rng())
    size = patches.shape[-1]
    assert size == int(options[0] * min(side)) and patches.shape == (400, 9, 2, size, size)
    corners = patches[..., 0, 0]
    top, left = corners.long().unbind(2)
    assert torch.equal(patches, cut(places(side, 400), top, left, size))  # whole, and from the image
    apart = corners.view(400, 3, 3, 2)
    down, right = apart[:, 1:, :, 0] - apart[:, :-1, :, 0], apart[:, :, 1:, 1] - apart[:, :, :-1, 1]
    for steps in (down, right):
        assert steps.min() >= size
        assert steps.unique().numel() == (5 if options[2] else 1)  # the shifts of two neighbours are -1, 0, 1 each
    starts = corners.flatten(0, 1)
    assert starts.amin(0).tolist() == [0, 0]
    assert (starts.amax(0) + size).tolist() == list(side)


def test_patches_that_overlap_or_do_not_fit_are_refused() -> None:
    for options in ((0.2, 0.1, 0.06), (0.3, 0.5, 0.0), (0.0, 0.5, 0.0), (0.2, 0.5, -0.1), (float("nan"), 0.5, 0.0)):
        with pytest.raises(InputError, match="half the gap"):
            Grid(*options)


def test_small_images_are_refused() -> None:
    with pytest.raises(InputError, match="19 x 40"):
        Grid(0.2, 0.5, 0.0).patches(places((19, 40)), rng())
    with pytest.raises(InputError, match="larger images"):  # whole pixels are wider than the fractions
        Grid(0.25, 0.5, 0.0).patches(places((20, 20)), rng())
    assert Grid(0.25, 0.5, 0.0).patches(places((21, 21)), rng()).shape[-1] == 5


def test_a_mosaic_undoes_the_grid() -> None:
    image = torch.rand(2, 3, 12, 12, generator=rng())
    tiles = Grid(1 / 3, 0.0, 0.0).patches(image, rng())
    laid = mosaic(tiles, gap_px=2)
    assert laid.shape == (2, 3, 16, 16)
    kept = torch.ones(16, dtype=torch.bool)
    kept[[4, 5, 10, 11]] = False
    assert torch.equal(laid[:, :, kept][..., kept], image)
    assert (laid[:, :, ~kept] == 1).all() and (laid[..., ~kept] == 1).all()


def test_late_fusion_reads_each_patch_by_the_same_weights() -> None:
    net = torch.nn.Identity()
    net.channels = 2  # type: ignore[assignment]
    head = LateFusion(net, patches=3, hidden=5, classes=4)
    maps = torch.rand(6, 2, 4, 4, generator=rng())
    each = head.each(maps)
    for index in range(6):
        torch.testing.assert_close(each[index], head.each[2](maps[index].flatten()).relu())
    logits = head(each.view(2, 3, 5))
    assert logits.shape == (2, 4)
    torch.testing.assert_close(logits[1], head.together(each[3:].flatten()))
    with pytest.raises(InputError, match="hidden"):
        LateFusion(net, 3, 0, 4)
