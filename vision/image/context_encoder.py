"""Context encoder (Pathak et al. 2016, arXiv 1604.07379): what was in the hole?"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError, check_among
from sslctrl.heads import channels_of
from sslctrl.objective import Loss
from vision.adversarial import told_apart, with_fixed_weights
from vision.decoder import MapDecoder
from vision.holes import blocks, center, mean_filled, regions, widened
from vision.image_task import ImageTask

_SMALLEST_PX = 8  # a block's side may be an eighth
_GRID = 8
_BAND_WEIGHT = 10
_RIGHT_ENOUGH = 0.8
_HOLES = {"center": center, "block": blocks, "region": regions}


class Holed(NamedTuple):
    """Images, and what is left of them."""

    images: Tensor
    """float (N, 3, H, W) in [0, 1]."""
    holes: Tensor
    """bool (N, 1, H, W)."""
    covered: Tensor
    """float (N, 3, H, W): the images, their holes in the mean colour of the rest."""


class ContextEncoder(ImageTask):
    """Fill the hole: 1 - `adversarial` times the squared error, and `adversarial` times what a discriminator finds.

    `mask` (section 3.3): "center", a hole of half the side; "block", several rectangles, up to a quarter of the area
    in all; "region", a quarter in random shapes: with the other two a net may learn what a border looks like. The band
    around the hole counts tenfold, so that the answer goes on from what is there. The discriminator sees the hole and
    its band alone (section 3.2): a seam to the rest would give each answer away. At `adversarial` 0 there is none.
    """

    shows = "Above: images with holes. In the middle: filled by the net. Below: as they were."

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 32,
        mask: Literal["center", "block", "region"] = "region",
        adversarial: float = 0.001,
    ) -> None:
        super().__init__(backbone, batch)
        check_among(_HOLES, mask=mask)
        if not 0 <= adversarial < 1:
            raise InputError(f"adversarial is {adversarial}; allowed is 0 or more, below 1; 0.001 is the paper's")
        self.mask, self.adversarial = mask, adversarial
        self.context = _ChannelwiseFC(channels_of(backbone))
        self.decoder = MapDecoder(backbone)
        self.discriminator = _discriminator() if adversarial else None

    def ask(self, images: Tensor, rng: torch.Generator) -> Holed:
        """Cut holes into the images. Raises InputError for sides under 8 px."""
        height, width = images.shape[2:]
        if min(height, width) < _SMALLEST_PX:
            raise InputError(f"images are {width} x {height} px; allowed is {_SMALLEST_PX} or more; record larger ones")
        holes = _HOLES[self.mask](images, rng)
        return Holed(images, holes, mean_filled(images, holes))

    def judge(self, question: Holed) -> Loss:
        """Return the joint loss of both players, each term of which reaches its own.

        `hole_error_over_mean_fill`: the squared error in the hole over that of `covered`.
        """
        images, holes, covered = question
        answer, region = self._answer(covered), widened(holes)
        error = (answer - images).square()
        # As of pixels in [-1, 1], the paper's: in [0, 1] the adversarial term would weigh four times as much
        value = 4 * (torch.where(holes, 1, _BAND_WEIGHT) * region * error).sum() / (3 * region.sum())
        mean_fill = (holes * (covered - images).square()).sum().clamp_min(1e-8)
        metrics = {
            "reconstruction": value.detach(),
            "hole_error_over_mean_fill": (holes * error.detach()).sum() / mean_fill,
        }
        if self.discriminator is not None:
            telling, fooling, accuracy = _play(self.discriminator, images * region, answer * region)
            value = (1 - self.adversarial) * value + self.adversarial * fooling + telling
            metrics["discriminator_accuracy"] = accuracy
        return Loss(value, metrics)

    @torch.no_grad()
    def fill(self, images: Tensor, holes: Tensor) -> Tensor:
        """Return images (N, 3, H, W) with the holes, bool (N, 1, H, W), filled; what is in them is not looked at."""
        return torch.where(holes, self._answer(mean_filled(images, holes)).clamp(0, 1), images)

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the images with holes, filled, and whole."""
        _, holes, covered = self.ask(images, rng)
        return torch.stack([covered, self.fill(images, holes), images])

    def _answer(self, covered: Tensor) -> Tensor:
        """Return whole images: what the decoder says is added to each one's mean colour."""
        return covered.mean((2, 3), keepdim=True) + self.decoder(
            self.context(self.backbone(covered)), covered.shape[2:]
        )


class _ChannelwiseFC(nn.Module):
    """From all places of the map, pooled to 8 x 8, to all places, each channel by itself (section 3.1), added to the
    map: convolutions alone would not carry what is around a hole to its middle.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, _GRID**2, _GRID**2))

    def forward(self, features: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(features, _GRID).flatten(2)
        spread = torch.einsum("ncp,cpq->ncq", pooled, self.weight).unflatten(2, (_GRID, _GRID))
        return features + functional.interpolate(spread, features.shape[2:], mode="bilinear")


def _discriminator(width: int = 16) -> nn.Sequential:
    """Return a net from images to the logit (N, 1) that they are real."""
    layers: list[nn.Module] = []
    for before, after in ((3, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * 2 * width, 1))


def _play(discriminator: nn.Module, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the discriminator's cross-entropy, the generator's non-saturating loss, and the discriminator's accuracy.

    The cross-entropy is 0 where four in five are told right: against blurred answers it would soon tell all, and the
    generator learn nothing from it.
    """
    of_real, of_made = discriminator(real).float(), discriminator(made.detach()).float()
    telling, accuracy = told_apart(of_real, of_made)
    fooling = functional.softplus(-with_fixed_weights(discriminator, made).float()).mean()
    return telling * (accuracy < _RIGHT_ENOUGH), fooling, accuracy
