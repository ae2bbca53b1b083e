"""What every backbone promises."""

from __future__ import annotations

import pytest
import torch

from vision.backbones import BACKBONES


@pytest.mark.parametrize("name", BACKBONES.names())
def test_a_map_of_eight_by_eight_or_more_from_64_px(name: str) -> None:
    net = BACKBONES.build(name, {})
    got = net(torch.rand(2, 3, 64, 64))
    assert got.shape[:2] == (2, net.channels) and min(got.shape[2:]) >= 8
    assert torch.isfinite(got).all()


@pytest.mark.parametrize("name", BACKBONES.names())
def test_takes_other_sizes_and_every_parameter_learns(name: str) -> None:
    net = BACKBONES.build(name, {})
    net(torch.rand(2, 3, 48, 80)).square().mean().backward()
    silent = [key for key, value in net.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent


@pytest.mark.parametrize("name", BACKBONES.names())
def test_where_things_are_survives(name: str) -> None:
    """Shifting the image by a map's cell shifts the map: nothing pools positions away."""
    torch.manual_seed(0)
    net = BACKBONES.build(name, {}).eval()
    image = torch.zeros(1, 3, 64, 64)
    image[:, :, 24:36, 24:36] = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        here = net(image)
        cell = 64 // here.shape[-1]
        there = net(image.roll(cell, dims=3))
    inner = slice(2, -3)
    scale = here.abs().max()  # untrained nets shrink what passes through them
    torch.testing.assert_close(there[..., inner, 3:-2] / scale, here[..., inner, 2:-3] / scale, atol=1e-3, rtol=0)
    assert (there - here).abs().max() > 0.1 * scale
