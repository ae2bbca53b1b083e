"""The plain autoencoder: the beta-VAE's nets without its noise and prior, a baseline."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslctrl.clips import Clips
from sslctrl.decoder import Decoder, Likelihood
from sslctrl.heads import FlatHead, map_shape
from sslctrl.imagining import Imagining
from sslctrl.objective import Loss


class Autoencoder(Imagining):
    """Encoder to z, decoder to pixels. Loss as `Vae` with beta 0 and sigma 0: 1/2 the squared error summed over
    pixels.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 16,
        width: int = 16,
        batch: int = 64,
        camera: str = "",
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px, batch, camera)
        self.head = FlatHead(map_shape(backbone, size_px), dim)
        self.decoder = Decoder(dim, size_px, width)
        self.likelihood = Likelihood()

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the reconstruction error of all frames of the clips; `rng` is not used."""
        images = self.images(clips).flatten(0, 2)
        decoded = self.decoder(self.encode(images))
        value = self.likelihood(decoded, images)
        return Loss(value, {"reconstruction": value.detach()})

    def encode(self, images: Tensor) -> Tensor:
        """Return z (N, D)."""
        return self.head(self.backbone(images)).float()

    def decode(self, z: Tensor, first: Tensor | None = None) -> Tensor:
        """Return what embeddings (N, D) look like, in whatever episode: uint8 (N, 3, size_px, size_px)."""
        return self.decoder.to_frames(z)
