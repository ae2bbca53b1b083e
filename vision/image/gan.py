"""Generative adversarial network (DCGAN: Radford, Metz and Chintala 2016, arXiv 1511.06434)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.heads import channels_of
from sslctrl.objective import Loss
from vision.adversarial import critic_layers, steadied, told_apart, with_fixed_weights
from vision.generator import Drawn, Generator
from vision.image_task import ImageTask


class Gan(ImageTask):
    """Is the image real, or made of noise? The backbone is the discriminator's trunk, the head says which.

    One scalar for both players, who so step at once.
    """

    shows = "Above: generated images. Below each: the given image that is nearest in the backbone's features."
    betas = (0.5, 0.999)

    def __init__(self, backbone: nn.Module, batch: int = 32, z_dim: int = 100, width: int = 32) -> None:
        super().__init__(backbone, batch)
        self.head = nn.Sequential(*critic_layers(channels_of(backbone)), nn.Linear(32 * channels_of(backbone), 1))
        self.generator = Generator(z_dim, width)

    def ask(self, images: Tensor, rng: torch.Generator) -> Drawn:
        """Draw noise for as many images as are given."""
        return Drawn(images, self.generator.noise(len(images), rng))

    def judge(self, question: Drawn) -> Loss:
        """Return the discriminator's cross-entropy plus the generator's, which is that of its images being called real
        (non-saturating: Goodfellow et al. 2014, section 3). Where nothing can be told apart: 3 log 2.
        """
        discriminator = nn.Sequential(self.backbone, self.head)
        generated = self.generator(question.noise, like=question.images)
        with steadied(self.backbone, question.images):
            real, fake = discriminator(question.images).float(), discriminator(generated.detach()).float()
            fooled = functional.softplus(-with_fixed_weights(discriminator, generated).float()).mean()
        told, accuracy = told_apart(real, fake)
        metrics = {"accuracy": accuracy, "discriminator": told.detach(), "generator": fooled.detach()}
        return Loss(told + fooled, metrics)

    @torch.no_grad()
    def generate(self, count: int, rng: torch.Generator) -> Tensor:
        """Return new images (count, 3, H, W), as large as those it saw last."""
        return self.generator(self.generator.noise(count, rng))

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return as many new images, and below each the given one that is nearest in the backbone's features."""
        generated = self.generator(self.generator.noise(len(images), rng), like=images)
        nearest = torch.cdist(self.backbone(generated).flatten(1), self.backbone(images).flatten(1)).argmin(1)
        return torch.stack([generated, images[nearest]])
