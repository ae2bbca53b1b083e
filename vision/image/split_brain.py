"""Split-brain autoencoder (Zhang, Isola, Efros 2017, arXiv 1611.09842): each half predicts what the other one sees."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from kornia.color import rgb_to_lab
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Clips
from sslctrl.errors import InputError, check_among
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
_FARTHEST_M, _DEPTH_BINS = 2.0, 100
_UNKNOWN = -100  # the label that cross_entropy leaves out
_PREDICTED = {"lab": (("ab",), ("lightness",)), "rgbd": (("depth",), ("ab", "lightness"))}


class Halves(NamedTuple):
    """What each half sees, and what they are to predict."""

    seen: tuple[Tensor, Tensor]
    """float (N, 3, H, W) in [0, 1] each."""
    hidden: dict[str, Tensor]
    """int64 (N, H // 4, W // 4) each: bins of ab, lightness or depth; -100 where depth is unknown."""


class SplitBrain(ImageTask):
    """Two nets of one architecture, the `backbone` option's, that share nothing; each predicts what the other sees, as
    classes, at a quarter of the image's size.

    split "lab": `backbone` sees lightness and predicts colour, `other_backbone` the other way round; "rgbd": `backbone`
    sees the image and predicts depth, up to 2 m, `other_backbone` sees depth and predicts lightness and colour, of
    video that was recorded with it. The whole net's features are both maps, together twice as wide as one.
    """

    shows = "Above: what each half sees. Below each: what it predicts. At the bottom: the image."
    bins: Tensor

    def __init__(self, backbone: nn.Module, batch: int = 32, split: Literal["lab", "rgbd"] = "lab") -> None:
        super().__init__(backbone, batch)
        check_among(_PREDICTED, split=split)
        self.split, self.sees_depth = split, split == "rgbd"
        self.register_buffer("bins", ab_bins(), persistent=False)
        self.other_backbone = fresh_copy(backbone)
        counts = {"ab": len(self.bins), "lightness": LIGHTNESS_BINS, "depth": _DEPTH_BINS}
        self.heads = nn.ModuleDict(
            {name: PixelHead(channels_of(backbone), counts[name]) for half in _PREDICTED[split] for name in half}
        )

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """Of lightness and of colour, or of the image and of depth."""
        return self.backbone, self.other_backbone

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the loss of all frames of the clips."""
        return self.judge(self.ask(self.images(clips), rng, self._depth_in(clips)))

    def ask(self, images: Tensor, rng: torch.Generator, depth_m: Tensor | None = None) -> Halves:
        """Split Lab, or images from their depth (N, H, W), metres, 0 where it is unknown; nothing is drawn.

        Raises InputError for sides under 4 px, or without the depth that is to be split off.
        """
        lab = rgb_to_lab(images)
        small = quartered(lab)
        hidden = {"ab": nearest_bin(small[:, 1:], self.bins), "lightness": lightness_bin(small)}
        if self.split == "rgbd":
            hidden["depth"] = depth_bin(quartered(_known(depth_m)[:, None])[:, 0])
        return Halves(self.seen(images, depth_m), hidden)

    def seen(self, images: Tensor, depth_m: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what each half sees of images (N, 3, H, W): three channels in [0, 1], as any backbone takes them."""
        if self.split == "rgbd":
            return images, (_known(depth_m)[:, None] / _FARTHEST_M).clamp(0, 1).expand(-1, 3, -1, -1)
        lab = rgb_to_lab(images)
        ab = lab[:, 1:]
        return grey(lab[:, :1]), (torch.cat([ab, ab.mean(1, keepdim=True)], dim=1) / _AB_RANGE + 1) / 2

    def judge(self, question: Halves) -> Loss:
        """Return the sum of all cross-entropies: section 3.1, equation 3. Accuracies are of what is known."""
        value, metrics = question.seen[0].new_zeros(()), {}
        for name, logits in self.logits(question.seen).items():
            true = question.hidden[name]
            known = true != _UNKNOWN
            wrong = functional.cross_entropy(logits, true, ignore_index=_UNKNOWN, reduction="sum")
            value = value + wrong / known.sum().clamp_min(1)
            right = (logits.argmax(1) == true).sum() / known.sum().clamp_min(1)
            metrics[f"accuracy_{name}"] = right.detach()
        return Loss(value, metrics)

    def logits(self, seen: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return what each half makes of what it sees: logits (N, Q, H // 4, W // 4) by what they predict."""
        size, halves = seen[0].shape[2:], zip(self.backbones, seen, _PREDICTED[self.split], strict=True)
        maps = [(backbone(half), names) for backbone, half, names in halves]
        return {name: self.heads[name](features, *size) for features, names in maps for name in names}

    def features(self, images: Tensor, depth_m: Tensor | None = None) -> Tensor:
        """Return both halves' maps, one after the other, (N, 2C, h, w), of float images (N, 3, H, W) in [0, 1]."""
        halves = zip(self.backbones, self.seen(images, depth_m), strict=True)
        return torch.cat([backbone(half) for backbone, half in halves], dim=1)

    @torch.no_grad()
    def depth_m(self, images: Tensor) -> Tensor:
        """Return the depth, float (N, H // 4, W // 4) in metres, of images (N, 3, H, W): the bins' annealed mean."""
        return _depth_of(self.heads["depth"](self.backbone(images), *images.shape[2:]))

    def shown(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return what `show` does, of all frames of the clips and their depth."""
        return self.show(self.images(clips), rng, self._depth_in(clips))

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator, depth_m: Tensor | None = None) -> Tensor:
        """Return what each half sees, each with what it predicts below, and the images. Raises InputError as `ask`."""
        lab, size = rgb_to_lab(images), images.shape[2:]
        seen = self.seen(images, depth_m)
        logits = self.logits(seen)
        centres = torch.arange(LIGHTNESS_BINS, device=lab.device)[:, None] + 0.5
        lightness = functional.interpolate(annealed_mean(logits["lightness"], centres), size=size)
        ab = annealed_mean(logits["ab"], self.bins)
        if self.split == "rgbd":
            given = functional.interpolate(_depth_of(logits["depth"])[:, None], size=size) / _FARTHEST_M
            return torch.stack([images, given.expand_as(images), seen[1], colored(lightness, ab), images])
        rows = [seen[0], colored(lab[:, :1], ab), colored(torch.full_like(lightness, 50), lab[:, 1:]), grey(lightness)]
        return torch.stack([*rows, images])

    def _depth_in(self, clips: Clips) -> Tensor | None:
        return None if clips.depth is None else clips.depth.flatten(0, 2).to(self.device)


def depth_bin(depth_m: Tensor) -> Tensor:
    """Return which of 100 bins of 2 cm depth (N, h, w) is in: int64 (N, h, w); -100 where it is unknown."""
    bins = (depth_m * (_DEPTH_BINS / _FARTHEST_M)).long().clamp(0, _DEPTH_BINS - 1)
    return bins.masked_fill(depth_m <= 0, _UNKNOWN)


def _depth_of(logits: Tensor) -> Tensor:
    centres = (torch.arange(_DEPTH_BINS, device=logits.device)[:, None] + 0.5) * (_FARTHEST_M / _DEPTH_BINS)
    return annealed_mean(logits, centres)[:, 0]


def _known(depth_m: Tensor | None) -> Tensor:
    if depth_m is None:
        raise InputError("no depth is given, and the halves are image and depth; give video of collect --depth")
    return depth_m
