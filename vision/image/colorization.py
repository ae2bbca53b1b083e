"""Colorization (Zhang, Isola, Efros 2016, arXiv 1603.08511): which colour has each pixel of a grey image?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from kornia.color import rgb_to_lab
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.errors import InputError
from sslctrl.heads import channels_of
from sslctrl.objective import Loss
from vision.color import PixelHead, ab_bins, annealed_mean, colored, grey, quartered, soft_encoded
from vision.image_task import ImageTask


class Greyed(NamedTuple):
    """Images without colour, and what it was."""

    images: Tensor
    """float (N, 3, H, W) in [0, 1]: lightness, in each channel."""
    colors: Tensor
    """float (N, Q, H // 4, W // 4): soft-encoded a, b."""


class Colorization(ImageTask):
    """From lightness, a distribution over the bins of a, b at a quarter of the image's size; rare colours weigh more.

    The prior p of the bins is a running mean of the soft encodings of all batches seen in training, which smooths it
    as the paper's kernel does; it is saved with the weights. `uniform` is lambda of section 2.2, the uniform
    distribution's share beside p: at 1, all colours weigh the same.
    """

    shows = "Above: grey images. In the middle: in the colours that the net gives them. Below: in their own."
    bins: Tensor
    prior: Tensor
    batches: Tensor

    def __init__(self, backbone: nn.Module, batch: int = 32, uniform: float = 0.5) -> None:
        super().__init__(backbone, batch)
        if not 0 < uniform <= 1:
            raise InputError(f"uniform is {uniform}; allowed is above 0, up to 1; change it, 0.5 is the paper's")
        self.uniform = uniform
        self.register_buffer("bins", ab_bins(), persistent=False)
        self.register_buffer("prior", torch.full((len(self.bins),), 1 / len(self.bins)))
        self.register_buffer("batches", torch.zeros(()))
        self.head = PixelHead(channels_of(backbone), len(self.bins))

    def ask(self, images: Tensor, rng: torch.Generator) -> Greyed:
        """Part lightness from colour; nothing is drawn. Raises InputError for sides under 4 px."""
        lab = rgb_to_lab(images)
        return Greyed(grey(lab[:, :1]), soft_encoded(quartered(lab[:, 1:]), self.bins))

    def judge(self, question: Greyed) -> Loss:
        """Return the rebalanced cross-entropy; in training, count the colours first.

        `cross_entropy_constant` is the least that one answer for all pixels of the batch would cost: the prior's, or
        better.
        """
        colors = question.colors
        if self.training:
            self.batches += 1
            self.prior.lerp_(colors.mean((0, 2, 3)), 1 / self.batches)
        logits = self.logits(question.images)
        weights = self.weights()[colors.argmax(1)]
        value = (weights * functional.cross_entropy(logits, colors, reduction="none")).mean()
        mass = (weights[:, None] * colors).mean((0, 2, 3))
        constant = -torch.xlogy(mass, mass / mass.sum()).sum()
        accuracy = (logits.argmax(1) == colors.argmax(1)).float().mean()
        return Loss(value, {"accuracy": accuracy, "cross_entropy_constant": constant})

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits of the bins, (N, Q, H // 4, W // 4), of grey images (N, 3, H, W) as `ask` makes them."""
        return self.head(self.backbone(images), *images.shape[2:])

    def weights(self) -> Tensor:
        """Return what a pixel of each bin weighs, float (Q,): w ~ ((1 - lambda) p + lambda / Q)^-1, whose mean over p
        is 1: section 2.2, equation 4.
        """
        weights = 1 / ((1 - self.uniform) * self.prior + self.uniform / len(self.prior))
        return weights / (self.prior * weights).sum()

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the images in grey, in the colours that the net gives them (annealed mean), and in their own."""
        lightness = rgb_to_lab(images)[:, :1]
        ab = annealed_mean(self.logits(grey(lightness)), self.bins)
        return torch.stack([grey(lightness), colored(lightness, ab), images])
