"""Any of timm's image models as a backbone, of random weights or of its own (Wightman 2019, `pip install timm`)."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError


class Timm(nn.Module):
    """The map of one stage of a timm model, of images normalised as the model wants them.

    (N, 3, H, W) float in [0, 1] -> (N, C, h, w). `model`: timm's name, as resnet18 or convnext_atto; those that take
    one size alone, as most transformers, need `size_px`. `stage` counts from 0; the first ones have the larger maps.
    `pretrained` fetches weights, once: a checkpoint has them. Named as a class of anyone's own: --backbone
    vision.timm_backbone:Timm --backbone-options model=resnet18 stage=1. Raises InputError where timm is missing or
    knows no such model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: str = "resnet18", stage: int = 1, pretrained: bool = False, size_px: int = 0) -> None:
        super().__init__()
        self.pretrained, self.size_px = pretrained, size_px
        try:
            timm: Any = importlib.import_module("timm")
        except (ImportError, RuntimeError) as error:  # RuntimeError: of a torchvision that is of another torch
            raise InputError(
                f"timm cannot be imported ({error}); it is an extra; pip install -e '.[timm]', with the torchvision "
                f"of torch {torch.__version__}"
            ) from error
        size = {"img_size": size_px} if size_px else {}
        try:
            self.net = timm.create_model(model, pretrained=pretrained, features_only=True, out_indices=(stage,), **size)
        except OSError as error:  # of the network, or of its cache
            raise InputError(
                f"{model!r} with pretrained={pretrained} cannot be fetched ({error}); allowed is what needs no "
                "network: timm's own names, with pretrained=false; change it"
            ) from error
        except (RuntimeError, IndexError, AssertionError, TypeError, AttributeError) as error:
            raise InputError(
                f"model is {model!r}, stage {stage}, size_px {size_px}: timm refuses ({error}); allowed are the names "
                "of timm.list_models() and their stages; change them"
            ) from error
        self.last = getattr(self.net, "output_fmt", None) == "NHWC"  # as Swin's maps are
        self.channels = int(self.net.feature_info.channels()[0])
        wanted = timm.data.resolve_model_data_config(self.net)
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(wanted[name]).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w) of images (N, 3, H, W)."""
        try:
            found = self.net((images - self.mean) / self.std)[0]
        except AssertionError as error:  # of models of one size
            raise InputError(
                f"images are {tuple(images.shape)}: {error}; give that size, or another size_px"
            ) from error
        return found.movedim(-1, 1) if self.last else found
