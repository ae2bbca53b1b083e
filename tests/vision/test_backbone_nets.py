from __future__ import annotations

import pytest
import torch

from sslctrl.errors import InputError
from vision.backbones import BACKBONES
from vision.backbones.resnet import Resnet


def parameters(net: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_resnet_18_and_34_have_the_published_sizes() -> None:
    # torchvision's resnet18/34 without their fc (512 * 1000 + 1000) have 11,176,512 and 21,284,672; their stem is a 7x7
    stem = 64 * 3 * (49 - 9)
    assert parameters(Resnet(64)) == 11_689_512 - 513_000 - stem
    assert parameters(Resnet(64, (3, 4, 6, 3))) == 21_797_672 - 513_000 - stem


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("conv", {"widths": [], "strides": []}, "one or more positive"),
        ("conv", {"widths": [4, 0], "strides": [2, 2]}, "positive"),
        ("wide_conv", {"strides": [2]}, "one stride a width"),
        ("resnet", {"blocks": []}, "one or more"),
        ("resnet", {"width": 0}, "width is 0"),
    ],
)
def test_refuses(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BACKBONES.build(name, options)


def test_depth_and_width_are_options() -> None:
    assert BACKBONES.build("resnet", {"width": 8, "blocks": [1, 1]}).channels == 16
    assert BACKBONES.build("conv", {"widths": "4,8,8,12", "strides": "2,2,1,1"}).channels == 12


def test_wide_is_wider() -> None:
    assert parameters(BACKBONES.build("wide_conv", {})) > 10 * parameters(BACKBONES.build("conv", {}))
