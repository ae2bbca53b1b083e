from __future__ import annotations

import pytest
import torch

from sslctrl.errors import InputError
from vision.backbones.conv import Conv
from vision.backbones.resnet import Resnet
from vision.decoder import MapDecoder


@pytest.mark.parametrize("backbone", [Conv((4,), (1,)), Conv((4, 8), (2, 1)), Conv(), Resnet(4)])
@pytest.mark.parametrize("size", [(32, 32), (64, 48), (45, 50)])
def test_gives_pictures_of_any_size_over_any_backbone(backbone, size) -> None:
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    decoded = MapDecoder(backbone)(backbone(images), images.shape[2:])
    assert decoded.shape == images.shape and decoded.dtype == torch.float32


def test_a_pixel_of_the_map_is_drawn_where_it_lies() -> None:
    torch.manual_seed(0)
    decoder = MapDecoder(Conv((4, 8), (2, 2))).eval()
    black = torch.zeros(1, 8, 8, 8)
    lit = black.clone()
    lit[0, :, 2, 5] = 1
    with torch.no_grad():
        lit, black = (decoder(features, torch.Size((32, 32))) for features in (lit, black))
    changed = (lit - black).abs().sum((0, 1))
    rows, columns = changed.sum(1), changed.sum(0)
    assert (rows * torch.arange(32)).sum() / rows.sum() == pytest.approx(2.5 * 4 - 0.5, abs=1)
    assert (columns * torch.arange(32)).sum() / columns.sum() == pytest.approx(5.5 * 4 - 0.5, abs=1)
    changed[1:19, 13:31] = 0  # its own 4 x 4, and 4 + 2 + 1 around it: three convolutions
    assert not changed.any()


def test_a_backbone_too_deep_for_the_trial_is_refused() -> None:
    with pytest.raises(InputError, match="size_px"):
        MapDecoder(_Unpadded())


class _Unpadded(torch.nn.Conv2d):
    channels = 4

    def __init__(self) -> None:
        super().__init__(3, 4, 65)
