from __future__ import annotations

import pytest
import torch

from sslctrl.augment import Strength, augment
from sslctrl.errors import InputError

NOTHING = Strength(0, 0, 0, 0, 0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(groups: int = 2, count: int = 3) -> torch.Tensor:
    return torch.rand(groups, count, 3, 16, 16, generator=rng(9))


def test_strength_zero_changes_nothing() -> None:
    torch.testing.assert_close(augment(images(), rng(), NOTHING), images(), atol=1e-5, rtol=0)


def test_keeps_shape_and_range_and_leaves_the_input_alone() -> None:
    before = images()
    given = before.clone()
    got = augment(given, rng())
    assert got.shape == given.shape and got.min() >= 0 and got.max() <= 1
    assert (got - before).abs().mean() > 0.01
    torch.testing.assert_close(given, before, atol=0, rtol=0)


def test_same_generator_same_images() -> None:
    torch.testing.assert_close(augment(images(), rng(3)), augment(images(), rng(3)), atol=0, rtol=0)
    assert not torch.equal(augment(images(), rng(3)), augment(images(), rng(4)))


def test_global_generator_is_not_touched() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    augment(images(), rng())
    assert torch.equal(before, torch.get_rng_state())


def test_no_two_views_are_changed_alike_and_frames_of_a_view_are() -> None:
    one = images(1, 1).expand(4, 3, 3, 16, 16)
    got = augment(one, rng())
    for group in got:
        torch.testing.assert_close(group[0], group[1], atol=1e-6, rtol=0)
    for a in range(4):
        for b in range(a):
            assert (got[a] - got[b]).abs().max() > 0.02


def test_shift_moves_by_whole_pixels() -> None:
    # a shift of s pixels must be the shifted image exactly: check the sampling grid's arithmetic with a forced draw
    from sslctrl.augment import _move

    image = images(1, 1)[0]
    draws = torch.tensor([[0.0, 1.0, 0.0]])  # no scale, full shift in x
    got = _move(image, 1, draws, Strength(shift=2 / 16))
    torch.testing.assert_close(got[..., :-2], image[..., 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(got[..., -2:], image[..., -1:].expand(-1, -1, -1, 2), atol=1e-5, rtol=0)


def test_scale_doubles_about_the_centre() -> None:
    from sslctrl.augment import _move

    ramp = torch.linspace(-1 + 1 / 16, 1 - 1 / 16, 16).expand(1, 3, 16, 16)
    got = _move(ramp.contiguous(), 1, torch.tensor([[-1.0, 0.0, 0.0]]), Strength(scale=0.5))
    torch.testing.assert_close(got, ramp * 0.5, atol=1e-5, rtol=0)


def test_colour_by_hand() -> None:
    from sslctrl.augment import _recolor

    red = torch.tensor([0.6, 0.2, 0.2]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    grey = 0.299 * 0.6 + 0.587 * 0.2 + 0.114 * 0.2
    washed = _recolor(red, torch.tensor([[0.0, -1.0, 0.0, 0.0]]), Strength(saturation=1.0))
    torch.testing.assert_close(washed, torch.full((1, 3, 2, 2), grey))
    bright = _recolor(red, torch.tensor([[0.0, 0.0, 1.0, 0.0]]), Strength(brightness=0.1))
    torch.testing.assert_close(bright, red + 0.1)
    flat = _recolor(red, torch.tensor([[-1.0, 0.0, 0.0, 0.0]]), Strength(contrast=0.5))
    torch.testing.assert_close(flat, 0.5 + 0.5 * (red - 0.5))


def test_hue_turns_colours_and_leaves_greys() -> None:
    from sslctrl.augment import _recolor

    full = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    grey = torch.full((1, 3, 2, 2), 0.4)
    torch.testing.assert_close(_recolor(grey, full, Strength(hue=1 / 3)), grey, atol=1e-4, rtol=0)
    red = torch.tensor([0.5, 0.3, 0.3]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    third, back = _recolor(red, full, Strength(hue=1 / 3)), torch.tensor([[0.0, 0.0, 0.0, -1.0]])
    assert (third - red).abs().max() > 0.1
    torch.testing.assert_close(_recolor(third, back, Strength(hue=1 / 3)), red, atol=1e-4, rtol=0)
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(third[0, :, 0, 0] @ luma, red[0, :, 0, 0] @ luma, atol=1e-4, rtol=0)


def test_refuses_images_without_groups() -> None:
    with pytest.raises(InputError, match="one group a view"):
        augment(images()[0], rng())
