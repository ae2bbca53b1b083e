"""Bidirectional GAN (BiGAN: Donahue, Krahenbuhl and Darrell 2017, arXiv 1605.09782)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.heads import channels_of, fresh_copy, grid_head
from sslctrl.objective import Loss
from vision.adversarial import critic_layers, steadied, told_apart, with_fixed_weights
from vision.generator import Drawn, Generator
from vision.image_task import ImageTask


class Bigan(ImageTask):
    """Which is which: an image and its code, or a code and its image? The backbone and the head are the encoder E,
    which with the generator G makes the two hard to tell apart, and so learns to invert it (section 3).

    The discriminator has a trunk of its own, of the backbone's architecture.
    """

    shows = "Above: images. In the middle: made of their codes. Below: made of noise."
    betas = (0.5, 0.999)

    def __init__(self, backbone: nn.Module, batch: int = 32, z_dim: int = 50, width: int = 32) -> None:
        super().__init__(backbone, batch)
        self.generator = Generator(z_dim, width)
        self.head = grid_head(backbone, z_dim)
        self.discriminator = _Joint(fresh_copy(backbone), channels_of(backbone), z_dim)

    def ask(self, images: Tensor, rng: torch.Generator) -> Drawn:
        """Draw noise for as many images as are given."""
        return Drawn(images, self.generator.noise(len(images), rng))

    def judge(self, question: Drawn) -> Loss:
        """Return the discriminator's cross-entropy plus the encoder's and generator's, which is that of all pairs being
        called the other kind (the paper's 'inverse' objective, section 2). Where nothing can be told apart: 4 log 2.
        """
        images, noise = question
        encoded, generated = self._encode(images), self.generator(noise, like=images)
        with steadied(self.discriminator.trunk, images):
            real, fake = self.discriminator(images, encoded.detach()), self.discriminator(generated.detach(), noise)
            real_fixed = with_fixed_weights(self.discriminator, images, encoded)
            fake_fixed = with_fixed_weights(self.discriminator, generated, noise)
        told, accuracy = told_apart(real, fake)
        fooled = functional.softplus(real_fixed).mean() + functional.softplus(-fake_fixed).mean()
        metrics = {"accuracy": accuracy, "discriminator": told.detach(), "generator": fooled.detach()}
        return Loss(told + fooled, metrics)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the codes (N, z_dim) of images (N, 3, H, W)."""
        return self._encode(images)

    @torch.no_grad()
    def generate(self, z: Tensor) -> Tensor:
        """Return the images (N, 3, H, W) of codes (N, z_dim), as large as those it saw last."""
        return self.generator(z)

    @torch.no_grad()
    def inversion_ratio(self, images: Tensor) -> Tensor:
        """Return how far images (N, 3, H, W) are from G(E(x)), over how far they are from that of the next image: mean
        distances. A scalar; 1 where E or G knows nothing of the image, 0 where they invert each other.
        """
        inverted = self.generator(self._encode(images), like=images)
        own, other = ((images - made).flatten(1).norm(dim=1).mean() for made in (inverted, inverted.roll(1, 0)))
        return own / other

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return each image, below it what the generator makes of its code, and below that of noise."""
        inverted = self.generator(self._encode(images), like=images)
        return torch.stack([images, inverted, self.generator(self.generator.noise(len(images), rng), like=images)])

    def _encode(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images)).float()


class _Joint(nn.Module):
    """The discriminator of pairs: images (N, 3, H, W), codes (N, z_dim) -> logits (N,), high for an image's own."""

    def __init__(self, trunk: nn.Module, channels: int, z_dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.image = nn.Sequential(*critic_layers(channels))
        self.pair = nn.Sequential(nn.Linear(32 * channels + z_dim, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        return self.pair(torch.cat([self.image(self.trunk(images)), codes], 1))[:, 0].float()
