"""The adapter's own arithmetic and messages, against a stand-in for timm: torchvision, which timm imports, does not
import beside the CPU build of torch that the tests run on.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslctrl import checkpoint
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective, load_objective
from vision.timm_backbone import Timm
from vision.untrained import untrained

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


class Net(nn.Module):
    """As timm's models are with features_only: a list of maps."""

    def __init__(self, width: int, pretrained: bool, last: bool) -> None:
        super().__init__()
        self.output_fmt = "NHWC" if last else "NCHW"
        self.conv = nn.Conv2d(3, width, 1, stride=4, bias=False)
        if pretrained:
            nn.init.constant_(self.conv.weight, 7.0)
        self.feature_info = types.SimpleNamespace(channels=lambda: [width])

    def forward(self, images: Tensor) -> list[Tensor]:
        found = self.conv(images)
        return [found.movedim(1, -1) if self.output_fmt == "NHWC" else found]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def create_model(name: str, **options: Any) -> Net:
        calls.append({"name": name, **options})
        if name == "resnt18":
            raise RuntimeError("Unknown model (resnt18)")
        return Net(8 << options["out_indices"][0], options["pretrained"], "swin" in name)

    stand_in: Any = types.ModuleType("timm")
    stand_in.create_model = create_model
    stand_in.data = types.SimpleNamespace(resolve_model_data_config=lambda net: {"mean": MEAN, "std": STD})
    monkeypatch.setitem(sys.modules, "timm", stand_in)
    return calls


def test_maps_whose_channels_come_last_are_turned(asked: list[dict[str, Any]]) -> None:
    net, images = Timm("swin_tiny", stage=1), torch.rand(2, 3, 32, 16)
    (found,) = net.net((images - net.mean) / net.std)
    assert found.shape == (2, 8, 4, 16) and torch.equal(net(images), found.permute(0, 3, 1, 2))


def test_a_size_that_the_model_does_not_take_is_refused(asked: list[dict[str, Any]]) -> None:
    net = Timm("vit_tiny_patch16_224", stage=1)

    def refuse(images: Tensor) -> list[Tensor]:
        raise AssertionError("Input height (32) doesn't match model (224).")

    net.net.forward = refuse
    with pytest.raises(InputError, match=r"Input height \(32\) doesn't match model \(224\).; give that"):
        net(torch.rand(1, 3, 32, 32))


def test_a_stage_s_map_of_images_normalised_as_the_model_wants_them(asked: list[dict[str, Any]]) -> None:
    net = Timm("convnext_atto", stage=2, pretrained=True, size_px=64)
    assert asked == [
        {"name": "convnext_atto", "pretrained": True, "features_only": True, "out_indices": (2,), "img_size": 64}
    ]
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = net.net.conv((images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))
    assert net.channels == 32 and torch.allclose(net(images), wanted)
    assert set(net.state_dict()) == {"net.conv.weight"}


def test_it_trains_below_any_objective(asked: list[dict[str, Any]], tiny_store: EpisodeStore) -> None:
    spec = ObjectiveSpec("rotation", {}, "vision.timm_backbone:Timm", {"model": "resnet18", "stage": 1})
    objective = build_objective(spec)
    clips = tiny_store.clips(objective.pick(tiny_store.layout, np.random.default_rng(0)))
    objective.loss(clips, torch.Generator().manual_seed(0)).value.backward()
    assert all(weight.grad is not None for weight in objective.backbone.parameters())


@pytest.mark.parametrize("name", ["grasp2vec", "cc_vae"])
def test_weights_of_its_own_are_fetched_once_and_are_every_nets(
    asked: list[dict[str, Any]], tiny_store: EpisodeStore, tmp_path: Path, name: str
) -> None:
    options = {"model": "resnet18", "pretrained": True}
    spec = ObjectiveSpec(name, {"size_px": 32}, "vision.timm_backbone:Timm", options, frozen=True)
    objective = build_objective(spec)
    checkpoint.save(tmp_path / "saved", KIND, spec_of(objective), objective.state_dict(), {})
    opened = load_objective(tmp_path / "saved", allow=("vision.timm_backbone:Timm",))
    for one in (objective, opened):
        assert len(one.backbones) == 2
        assert all((weight == 7).all() for backbone in one.backbones for weight in backbone.parameters())
    assert not any((weight == 7).any() for weight in untrained(objective, tiny_store, 0).backbone.parameters())
    assert [call["pretrained"] for call in asked] == [True, False, False]


def test_names_that_timm_refuses_are_one_line(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="model is 'resnt18', stage 1, size_px 0: timm refuses"):
        Timm("resnt18")


def test_weights_that_cannot_be_fetched_are_one_line(asked: list[dict[str, Any]], monkeypatch) -> None:
    def offline(name: str, **options: Any) -> Net:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(sys.modules["timm"], "create_model", offline)
    with pytest.raises(InputError, match=r"cannot be fetched \(no route to the hub\); allowed is what needs no"):
        Timm(pretrained=True)


def test_a_torchvision_of_another_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("vision.timm_backbone.importlib.import_module", broken)
    with pytest.raises(InputError, match=r"torchvision::nms does not exist.*with the torchvision of torch"):
        Timm()


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"pip install -e '.\[timm\]'"):
        Timm()
