"""Split-brain autoencoder (Zhang, Isola, Efros 2017, arXiv 1611.09842): each half predicts what the other one sees."""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.color import rgb_to_lab
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.heads import channels_of, fresh_copy
from sslctrl.objective import Loss
from vision.color import (
    LIGHTNESS_BINS,
    PixelHead,
    ab_bins,
    annealed_mean,
    colored,
    grey,
    lightness_bin,
    nearest_bin,
    quartered,
)
from vision.image_task import ImageTask

_AB_RANGE = 110.0  # just above the largest a or b of sRGB


class Halves(NamedTuple):
    """What each half sees, and what it is to predict."""

    seen: tuple[Tensor, Tensor]
    """float (N, 3, H, W) in [0, 1] each: lightness, in each channel; a, b and their mean."""
    hidden: tuple[Tensor, Tensor]
    """int64 (N, H // 4, W // 4) each: the bins of a, b; those of lightness."""


class SplitBrain(ImageTask):
    """Lightness predicts colour, colour predicts lightness, both as classes, at a quarter of the image's size.

    Two nets of one architecture, the `backbone` option's, that share nothing. `backbone` sees lightness;
    `other_backbone` sees colour. The whole net's features are both maps, together twice as wide as one.
    """

    bins: Tensor

    def __init__(self, backbone: nn.Module, batch: int = 32) -> None:
        super().__init__(backbone, batch)
        self.register_buffer("bins", ab_bins(), persistent=False)
        self.other_backbone = fresh_copy(backbone)
        channels = channels_of(backbone)
        self.head, self.other_head = PixelHead(channels, len(self.bins)), PixelHead(channels, LIGHTNESS_BINS)

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """Of lightness and of colour."""
        return self.backbone, self.other_backbone

    def ask(self, images: Tensor, rng: torch.Generator) -> Halves:
        """Split Lab; nothing is drawn. Raises InputError for sides under 4 px."""
        lab = rgb_to_lab(images)
        small = quartered(lab)
        return Halves(_seen(lab), (nearest_bin(small[:, 1:], self.bins), lightness_bin(small)))

    def judge(self, question: Halves) -> Loss:
        """Return the sum of both halves' cross-entropies: section 3.1, equation 3."""
        ab, lightness = self.logits(question.seen)
        true_ab, true_lightness = question.hidden
        value = functional.cross_entropy(ab, true_ab) + functional.cross_entropy(lightness, true_lightness)
        accuracy = {"ab": ab.argmax(1) == true_ab, "lightness": lightness.argmax(1) == true_lightness}
        return Loss(value, {f"accuracy_{name}": right.float().mean() for name, right in accuracy.items()})

    def logits(self, seen: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return each half's logits of what it sees: (N, Q, H // 4, W // 4) of a, b bins and of lightness bins."""
        first, second = seen
        size = first.shape[2:]
        return self.head(self.backbone(first), *size), self.other_head(self.other_backbone(second), *size)

    def features(self, images: Tensor) -> Tensor:
        """Return both halves' maps, one after the other, (N, 2C, h, w), of float images (N, 3, H, W) in [0, 1]."""
        first, second = _seen(rgb_to_lab(images))
        return torch.cat([self.backbone(first), self.other_backbone(second)], dim=1)

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return what the first half sees, the same in the colours it gives; what the second half sees, at middle
        lightness, the lightness it gives; and the images.
        """
        lab = rgb_to_lab(images)
        lightness, ab = lab[:, :1], lab[:, 1:]
        ab_logits, lightness_logits = self.logits(_seen(lab))
        given_ab = annealed_mean(ab_logits, self.bins)
        centres = torch.arange(LIGHTNESS_BINS, device=lab.device)[:, None] + 0.5
        given_lightness = functional.interpolate(annealed_mean(lightness_logits, centres), size=lab.shape[2:])
        rows = [grey(lightness), colored(lightness, given_ab)]
        rows += [colored(torch.full_like(lightness, 50), ab), grey(given_lightness), images]
        return torch.stack(rows)


def _seen(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Return what each half sees of Lab images (N, 3, H, W): three channels in [0, 1], as any backbone takes them."""
    ab = lab[:, 1:]
    colors = torch.cat([ab, ab.mean(1, keepdim=True)], dim=1)
    return grey(lab[:, :1]), (colors / _AB_RANGE + 1) / 2
