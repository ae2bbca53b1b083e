"""Learning to count (Noroozi, Pirsiavash and Favaro 2017, arXiv 1708.06734)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.color import rgb_to_grayscale
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError, check_least
from sslctrl.heads import grid_head
from sslctrl.objective import Loss
from vision.image_task import ImageTask

_MARGIN = 10.0
_START = 0.05
_GREY = 2 / 3
_FILTERS = (("area", False), ("bilinear", True), ("bicubic", True), ("bicubic", False))  # mode, antialias
_SMALLEST_PX = 16


class Counted(NamedTuple):
    """N images whose parts are to be counted, all of one size; each is grey in all of its parts, or in none."""

    wholes: Tensor
    """float (N, 3, H / 2, W / 2): D(x)."""
    tiles: Tensor
    """float (4N, 3, H / 2, W / 2): T(x), all upper left quarters first, then upper right, lower left, lower right."""
    others: Tensor
    """float (N, 3, H / 2, W / 2): D(y) of another image, grey where x is."""


class Counting(ImageTask):
    """What is in an image, counted, is what is in its four quarters together, and not what is in another image.

    Halved images and quarters must look alike but for their contents: a net that tells them apart may count nothing,
    and multiply by four what it sees of a halved one. So the filter that halves is drawn anew for each batch.
    """

    shows = "Above: images in the order of how much is counted in them. Below each: the three that count most alike."

    def __init__(self, backbone: nn.Module, batch: int = 64, units: int = 1000) -> None:
        super().__init__(backbone, batch)
        if batch < 2:
            raise InputError(f"batch is {batch}; allowed is 2 or more, to compare with another image; change it")
        check_least(1, units=units)
        self.phi = nn.Sequential(*grid_head(backbone, units), nn.ReLU())
        # Beyond the margin nothing pushes apart, and phi is pulled to 0, where ReLU is dead: it starts well within
        with torch.no_grad():
            for parameter in self.phi.parameters():
                parameter.mul_(_START)

    def ask(self, images: Tensor, rng: torch.Generator) -> Counted:
        """Halve the images by one random filter, cut them in quarters, and make two thirds of them grey."""
        count, _, height, width = images.shape
        if count < 2 or min(height, width) < _SMALLEST_PX:
            raise InputError(
                f"there are {count} images of {height} x {width} px; "
                f"allowed are 2 or more, of {_SMALLEST_PX} px or more; give more or larger ones"
            )
        even = images[:, :, : height // 2 * 2, : width // 2 * 2]
        halves = halved(even, int(torch.randint(len(_FILTERS), (), generator=rng, device=rng.device)))
        grey = torch.rand(count, 1, 1, 1, generator=rng, device=rng.device) < _GREY
        # Were only x grey, its colour alone would tell it from y
        wholes, others, even = (
            torch.where(grey, rgb_to_grayscale(some), some) for some in (halves, halves.roll(1, 0), even)
        )
        return Counted(wholes, quarters(even), others)

    def judge(self, question: Counted) -> Loss:
        """Return the mean of |phi(Dx) - sum phi(Tx)|^2 + max(0, M - |phi(Dy) - sum phi(Tx)|^2), equation 5, M = 10.

        phi = 0 costs M. Metrics: the two distances, not squared, and the norm |phi(Dx)|, all means.
        """
        wholes, others, tiles = self.count(torch.cat([question.wholes, question.others, question.tiles])).split(
            [len(question.wholes), len(question.others), len(question.tiles)]
        )
        total = tiles.unflatten(0, (4, -1)).sum(0)
        paired = (wholes - total).square().sum(1)
        unpaired = (others - total).square().sum(1)
        value = (paired + functional.relu(_MARGIN - unpaired)).mean()
        told = {"paired": paired.sqrt(), "unpaired": unpaired.sqrt(), "norm": wholes.norm(dim=1)}
        return Loss(value, {name: number.detach().mean() for name, number in told.items()})

    def count(self, images: Tensor) -> Tensor:
        """Return phi, float (N, units), 0 or more each."""
        return self.phi(self.backbone(images)).float()

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the images in the order of |phi|, the lowest first, and below each the three nearest to it by phi."""
        halves = halved(images, 0)
        counts = self.count(halves)
        order = counts.norm(dim=1).argsort()
        apart = torch.cdist(counts, counts).fill_diagonal_(torch.inf)
        near = apart.topk(min(3, len(images) - 1), largest=False).indices
        return torch.cat([halves[order][None], halves[near[order].T]])


def halved(images: Tensor, number: int) -> Tensor:
    """Return images (N, 3, H, W) at half their size, by one of the filters."""
    mode, antialias = _FILTERS[number]
    smooth = {} if mode == "area" else {"antialias": antialias}
    return functional.interpolate(images, scale_factor=0.5, mode=mode, **smooth).clamp(0, 1)


def quarters(images: Tensor) -> Tensor:
    """Return the upper left quarters of images (N, 3, H, W), then upper right, lower left and lower right: (4N, 3, H /
    2, W / 2).
    """
    rows = torch.stack(images.chunk(2, dim=2))
    return torch.cat([torch.cat(row.chunk(2, dim=3)) for row in rows])
