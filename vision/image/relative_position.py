"""Relative position of patches (Doersch, Gupta, Efros 2015, arXiv 1505.05192)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError, check_among
from sslctrl.objective import Loss, classification
from vision.image_task import ImageTask
from vision.patches import ROWS, Grid, LateFusion, mosaic

_CENTER = ROWS * ROWS // 2
_PLACES = ROWS * ROWS - 1
_COLORS = ("drop", "project", "keep")
_GREEN_MAGENTA = (-1.0, 2.0, -1.0)
_FEWEST_PX = 10  # on a side: 100 pixels in all


class Pairs(NamedTuple):
    """The patches around a centre, row by row, whose place is what is asked."""

    centers: Tensor
    """float (N, 3, S, S)."""
    neighbors: Tensor
    """float (N, 8, 3, S, S)."""
    places: Tensor
    """int (N, 8): 0 is upper left, 7 lower right."""


class RelativePosition(ImageTask):
    """On which of its eight sides does a patch have the other?

    A shared trunk and late fusion (section 3). Against short cuts (section 3.1): `gap` and `jitter`, for edges that go
    on from patch to patch; `downsample`, the share of patches made coarse and large again, for pixelation; `color`, for
    chromatic aberration, by which a lens tells where in the image a patch was: "drop" keeps one channel of each patch
    and fills the others with noise; "project" takes green against magenta out, which leaves the blur that an aberration
    of green makes of greys; "keep" leaves colours alone. `patch` is the side of a patch as a fraction of the image's,
    `gap` and `jitter` are fractions of the patch's. Raises InputError.
    """

    shows = "Above: the patches of an image. Below: the middle one, and on each side the patch that the net puts there."

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 64,
        patch: float = 0.2,
        gap: float = 1 / 2,
        jitter: float = 7 / 96,
        downsample: float = 1 / 3,
        color: str = "drop",
        hidden: int = 128,
    ) -> None:
        super().__init__(backbone, batch)
        check_among(_COLORS, color=color)
        if not 0 <= downsample <= 1:
            raise InputError(f"downsample is {downsample}; allowed is a share from 0 to 1; change it")
        self.grid = Grid(patch, gap, jitter)
        self.downsample = downsample
        self.color = color
        self.head = LateFusion(backbone, patches=2, hidden=hidden, classes=_PLACES)

    def ask(self, images: Tensor, rng: torch.Generator) -> Pairs:
        """Pair the centre of one grid an image with each of its neighbours, without what would give them away."""
        return self._pairs(self.grid.patches(images, rng), rng)

    def judge(self, question: Pairs) -> Loss:
        """Return the 8-way cross-entropy. Chance: log 8."""
        return classification(self._logits(question).flatten(0, 1), question.places.flatten())

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return each image's grid, and below it on each side the neighbour that the net most wants there."""
        patches = self.grid.patches(images, rng)
        wanted = self._logits(self._pairs(patches, rng)).softmax(2).argmax(1)
        laid = _without_center(patches).take_along_dim(wanted[:, :, None, None, None], 1)
        laid = torch.cat([laid[:, :_CENTER], patches[:, _CENTER, None], laid[:, _CENTER:]], 1)
        return torch.stack([mosaic(patches), mosaic(laid)])

    def _pairs(self, patches: Tensor, rng: torch.Generator) -> Pairs:
        patches = coarsened(patches, self.downsample, rng)
        if self.color == "drop":
            patches = one_channel(patches, rng)
        elif self.color == "project":
            patches = without_green_magenta(patches)
        places = torch.arange(_PLACES, device=patches.device).expand(len(patches), -1)
        return Pairs(patches[:, _CENTER], _without_center(patches), places)

    def _logits(self, question: Pairs) -> Tensor:
        """Return logits (N, 8 neighbours, 8 places). Each patch passes the trunk once, for all of its pairs."""
        patches = torch.cat([question.centers[:, None], question.neighbors], 1)
        features = self.head.each(self.backbone(patches.flatten(0, 1))).unflatten(0, patches.shape[:2])
        pairs = torch.stack([features[:, :1].expand(-1, _PLACES, -1), features[:, 1:]], 2)
        return self.head(pairs.flatten(0, 1)).unflatten(0, (-1, _PLACES))


def coarsened(patches: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Average a share of patches (N, P, C, S, S) down to a random size, of 10 x 10 or more, and interpolate them back.

    Smaller patches stay as they are.
    """
    size_px = patches.shape[-1]
    if size_px <= _FEWEST_PX:
        return patches
    # Either axis is resampled by one linear map; a matrix for each size lets every patch have a size of its own
    eye = torch.eye(size_px, device=patches.device)
    means = [functional.adaptive_avg_pool1d(eye, size) for size in range(_FEWEST_PX, size_px)]
    maps = torch.cat([functional.interpolate(mean[None], size_px, mode="linear") for mean in means])
    chosen = torch.rand(patches.shape[:2], generator=rng, device=rng.device) < share
    drawn = maps[torch.randint(len(maps), patches.shape[:2], generator=rng, device=rng.device)][:, :, None]
    return torch.where(chosen[..., None, None, None], drawn.mT @ patches @ drawn, patches)


def one_channel(patches: Tensor, rng: torch.Generator) -> Tensor:
    """Keep a random channel of each patch (N, P, 3, S, S); the others are middle grey with Gaussian noise of a
    hundredth of its standard deviation.
    """
    kept = functional.one_hot(torch.randint(3, patches.shape[:2], generator=rng, device=rng.device), 3).bool()
    kept = kept[..., None, None]
    deviation = patches.std((3, 4), keepdim=True).where(kept, 0).sum(2, keepdim=True)
    noise = torch.randn(patches.shape, generator=rng, device=rng.device)
    return torch.where(kept, patches, 0.5 + 0.01 * deviation * noise)


def without_green_magenta(images: Tensor) -> Tensor:
    """Project the colours of images (..., 3, H, W) along the axis [-1, 2, -1], green against magenta; greys stay."""
    axis = torch.tensor(_GREEN_MAGENTA, device=images.device)
    amount = torch.einsum("...chw,c->...hw", images, axis) / axis.dot(axis)
    return images - amount[..., None, :, :] * axis[:, None, None]


def _without_center(patches: Tensor) -> Tensor:
    return torch.cat([patches[:, :_CENTER], patches[:, _CENTER + 1 :]], 1)
