"""Exemplar-CNN: of which seed patch is this a transform? (Dosovitskiy et al. 2014 and 2016, arXiv 1406.6909)."""

from __future__ import annotations

import math
from typing import NamedTuple

import kornia.color
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError, check_among, check_least
from sslctrl.heads import grid_head
from sslctrl.losses.triplet import semihard_triplet
from sslctrl.objective import Loss
from vision.image_task import ImageTask

_FEATURES = 512  # the paper's last layer before the softmax
_DIM = 128
_MARGIN = 0.5


class Exemplars(NamedTuple):
    """Transformed patches, and of which seed each one is."""

    patches: Tensor
    """float (N * views, 3, S / 2, S / 2), the views of an image together; S is the shorter side."""
    seeds: Tensor
    """int (N * views,)."""


class Exemplar(ImageTask):
    """Every seed patch is a class of its own, and its random transforms are the samples.

    loss "softmax" tells all `seeds` apart by one output each, section 3 of the paper; "triplet" needs none: semi-hard
    triplets within the batch, on the unit sphere, squared distance, margin 0.5 (Schroff et al. 2015, section 3.2).
    `batch` seeds with `views` transforms each make a batch. `color` off leaves the colours as they are: a colour
    histogram then tells the seed.
    """

    shows = "Above: a transformed patch of each image. Below each: the three nearest among other transforms."

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 128,
        views: int = 2,
        seeds: int = 500,
        loss: str = "softmax",
        dim: int = _DIM,
        color: bool = True,
    ) -> None:
        super().__init__(backbone, batch)
        check_least(2, views=views, seeds=seeds)
        check_least(1, dim=dim)
        check_among(("softmax", "triplet"), loss=loss)
        if loss == "triplet":
            check_least(2, batch=batch)  # another image of a batch repels
        elif dim != _DIM:
            raise InputError(f"dim is {dim} with loss {loss}, an output a seed; allowed is triplet's; leave it out")
        self.views, self.seeds, self.kind, self.color = views, seeds, loss, color
        self.features = nn.Sequential(*grid_head(backbone, _FEATURES, bias=False), nn.BatchNorm1d(_FEATURES), nn.ReLU())
        self.head = nn.Linear(_FEATURES, seeds if loss == "softmax" else dim)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick among `seeds` frames spread evenly over the store, all of them where it has fewer; label: which."""
        ends = np.cumsum(layout.lengths)
        count = min(self.seeds, ends[-1] * layout.views)
        seed = rng.choice(count, self.batch, replace=self.batch > count)
        frame = seed * ends[-1] // count
        episode = np.searchsorted(ends, frame, side="right")
        step = frame - (ends - layout.lengths)[episode]
        return Pick(episode, (seed % layout.views)[:, None], step[:, None, None], label=seed)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of the seeds that the clips' labels say. Raises InputError for clips without."""
        images = self.images(clips)
        if clips.label is None or len(clips.label) != len(images):
            raise InputError(
                "the clips do not say which seed each frame is; allowed is one label a frame; "
                "pick them with this task's own pick"
            )
        return self.judge(self.ask(images, rng, clips.label))

    def ask(self, images: Tensor, rng: torch.Generator, seeds: Tensor | None = None) -> Exemplars:
        """Cut each image's seed patch, the same whenever it is asked for, in `views` random transforms.

        `seeds`, int (N,), says which class each image is; without, each is one of its own.
        """
        if min(images.shape[2:]) < 16:
            raise InputError(f"images are {tuple(images.shape[2:])} px; allowed are 16 or more; give larger ones")
        if seeds is None:
            seeds = torch.arange(len(images), device=images.device)
        center_px, side_px = seed_patches(images, seeds)
        patches = transformed(images, center_px, side_px, self.views, rng)
        return Exemplars(recolored(patches, rng) if self.color else patches, seeds.repeat_interleave(self.views))

    def judge(self, question: Exemplars) -> Loss:
        """Return the cross-entropy over all seeds (chance: log seeds), or the mean over semi-hard triplets: of each
        patch with the next of its image.

        Accuracy of "triplet": how often the nearest other patch of the batch is of the same seed.
        """
        answer = self.head(self.features(self.backbone(question.patches))).float()
        if self.kind == "softmax":
            said = answer.argmax(1)
            value = functional.cross_entropy(answer, question.seeds)
        else:
            near = functional.normalize(answer.detach())
            said = question.seeds[(near @ near.T).fill_diagonal_(-torch.inf).argmax(1)]
            views = answer.unflatten(0, (-1, self.views)).movedim(1, 0)
            value = semihard_triplet(views, views.roll(-1, 0), _MARGIN, question.seeds[:: self.views])
        return Loss(value, {"accuracy": (said == question.seeds).float().mean()})

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return one transform of each image's patch, and below it the three that are nearest in feature space among
        further transforms, its own among them.
        """
        patches = self.ask(images, rng).patches
        features = self.features(self.backbone(patches))
        first, others = (functional.normalize(x) for x in (features[:: self.views], features[1 :: self.views]))
        order = (first @ others.T).topk(min(3, len(images))).indices.T
        return torch.cat([patches[None, :: self.views], patches[1 :: self.views][order]])


def seed_patches(images: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Return centres (N, 2), x and y, and sides (N,) in px of the patches, which depend on image and seed alone.

    The centre is a pixel drawn with a probability proportional to the squared gradient there, the side half the image's
    at a scale of 0.8^{0..3}.
    """
    grey = functional.pad(images.mean(1), (1, 0, 1, 0), mode="replicate")
    energy = grey[:, 1:].diff(dim=2).square() + grey[:, :, 1:].diff(dim=1).square()
    below = (energy.flatten(1) + 1e-8).cumsum(1)  # an even image has a patch too
    # Multiples of an irrational number are spread evenly, and so each seed's draw is its own without a generator
    place, scale = ((seeds.double() + 0.5) * number % 1 for number in (0.7548776662, 0.5698402910))
    pixel = torch.searchsorted(below, place.float()[:, None] * below[:, -1:])[:, 0]
    center = torch.stack([pixel % images.shape[3], pixel // images.shape[3]], dim=1) + 0.5
    return center, min(images.shape[2:]) / 2 * 0.8 ** (4 * scale).floor().float()


def transformed(images: Tensor, center_px: Tensor, side_px: Tensor, views: int, rng: torch.Generator) -> Tensor:
    """Return `views` patches of each image, scaled by 1/sqrt 2 to sqrt 2, shifted by a quarter of their side, turned by
    20 degrees, all at most: (N * views, 3, S / 2, S / 2).

    They are sampled from the whole image. A shift gives way where a patch would show what is outside.
    """
    height, width = images.shape[2:]
    draws = torch.rand(4, len(images), views, generator=rng, device=rng.device) * 2 - 1
    size = side_px[:, None] * 2 ** (draws[0] / 2)
    angle = math.radians(20) * draws[1]
    cos, sin = size / 2 * angle.cos(), size / 2 * angle.sin()
    reach = cos + sin.abs()
    shift = draws[2:] * side_px[:, None] / 4
    x, y = (
        torch.minimum(torch.maximum(center_px[:, axis, None] + shift[axis], reach), length - reach)
        for axis, length in enumerate((width, height))
    )
    across, down = torch.stack([cos, -sin, x - width / 2], -1), torch.stack([sin, cos, y - height / 2], -1)
    maps = torch.stack([across * 2 / width, down * 2 / height], dim=-2).flatten(0, 1)  # the grid is 2 wide
    out = min(height, width) // 2
    grid = functional.affine_grid(maps, [len(maps), 3, out, out], align_corners=False)
    # All views of an image one above the other: so it need not be copied for each
    grid = grid.view(len(images), -1, out, 2)
    tall = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return tall.unflatten(2, (views, out)).transpose(1, 2).flatten(0, 1)


def recolored(patches: Tensor, rng: torch.Generator) -> Tensor:
    """Change the colours of patches (M, 3, h, w), each in its own way, as strongly as the paper, section 2.

    The principal components of all pixels are scaled by 1/2 to 2, saturation and value raised to the power of 1/4 to 4,
    scaled by 0.7 to 1.4 and shifted by 0.1, hue is turned by 0.1 of the circle, at most.
    """
    draws = torch.rand(10, len(patches), 1, 1, 1, generator=rng, device=rng.device) * 2 - 1
    pixels = patches.movedim(1, 0).flatten(1)
    mean = pixels.mean(1)[:, None]
    axes = torch.linalg.eigh(pixels.cov()).eigenvectors
    matrix = axes @ (2 ** draws[:3, :, 0, 0, 0].T[:, :, None] * axes.T)
    contrast = (mean + matrix @ (patches.flatten(2) - mean)).view_as(patches).clamp(0, 1)
    hue, saturation, value = kornia.color.rgb_to_hsv(contrast).split(1, dim=1)
    hue = hue + 0.1 * 2 * math.pi * draws[3]
    saturation = (saturation.pow(4 ** draws[4]) * 1.4 ** draws[5] + 0.1 * draws[6]).clamp(0, 1)
    value = (value.pow(4 ** draws[7]) * 1.4 ** draws[8] + 0.1 * draws[9]).clamp(0, 1)
    return kornia.color.hsv_to_rgb(torch.cat([hue, saturation, value], dim=1))
