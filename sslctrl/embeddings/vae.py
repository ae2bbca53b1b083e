"""beta-VAE, as RIG uses it (Nair, Pong et al. 2018, arXiv 1807.04742, section 4; Higgins et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslctrl.body_layer import BodyLayer
from sslctrl.clips import Clips
from sslctrl.decoder import Decoder, Likelihood
from sslctrl.heads import FlatHead, map_shape
from sslctrl.imagining import Imagining
from sslctrl.kl_weight import KlWeight
from sslctrl.objective import Loss


class Vae(Imagining):
    """Encoder to (mu, log sigma^2), decoder to pixels; the embedding is mu.

    The one convention of beta in this project. Loss = mean over the batch of -log p(s|z) + beta KL(q(z|s) || N(0, I)),
    with p(s|z) = N(s; decoder(z), I), pixels in [0, 1], constants dropped: -log p(s|z) = 1/2 the squared error SUMMED
    over the pixels and colours; KL summed over the D latents. RIG's published code divides its beta of 10 to 20 by its
    batch of 128, so that it is 0.08 to 0.16 here. Taken literally, 10 collapses the posterior. With `smooth` the error
    counts blurred, too (`Likelihood`), and beta is to be larger: 2 at smooth 100. `body`: columns of the proprioception
    that say where the robot is, so that z need not hold it (`BodyLayer`). `slow_start`: batches over which beta falls
    to its value (`KlWeight`).
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 16,
        beta: float = 0.08,
        width: int = 16,
        batch: int = 64,
        camera: str = "",
        size_px: int = 64,
        body: tuple[int, ...] = (),
        smooth: float = 0.0,
        slow_start: int = 0,
    ) -> None:
        super().__init__(backbone, dim, size_px, batch, camera)
        self.head = FlatHead(map_shape(backbone, size_px), 2 * dim)
        self.decoder = Decoder(dim, size_px, width)
        self.likelihood = Likelihood(smooth, size_px)
        self.body = BodyLayer(body, size_px, width)
        self.kl_weight = KlWeight(beta, slow_start)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the negative evidence lower bound of all frames of the clips."""
        images = self.images(clips).flatten(0, 2)
        mu, log_variance = self.posterior(images)
        noise = torch.randn(mu.shape, generator=rng, device=mu.device)
        z = mu + noise * torch.exp(0.5 * log_variance)
        decoded = self.body.over(self.decoder(z), clips)
        reconstruction = self.likelihood(decoded, images)
        kl = gaussian_kl(mu, log_variance).mean()
        metrics = {"reconstruction": reconstruction.detach(), "kl": kl.detach()}
        return Loss(reconstruction + self.kl_weight() * kl, metrics)

    def posterior(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log sigma^2, (N, D) each, of float images (N, 3, H, W)."""
        mu, log_variance = self.head(self.backbone(images)).float().chunk(2, dim=1)
        return mu, log_variance

    def encode(self, images: Tensor) -> Tensor:
        """Return mu (N, D)."""
        return self.posterior(images)[0]

    def decode(self, z: Tensor, first: Tensor | None = None) -> Tensor:
        """Return what embeddings (N, D) look like, in whatever episode: uint8 (N, 3, size_px, size_px).

        With `body`, the scene without it.
        """
        return self.decoder.to_frames(z)


def gaussian_kl(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, I)) of each row, summed over D: (N, D), (N, D) -> (N,). mu = 1, sigma = 1: D /
    2.
    """
    return 0.5 * (mu.square() + log_variance.exp() - 1 - log_variance).sum(1)
