"""Context-conditioned VAE, as CC-RIG uses it (Nair et al. 2019, arXiv 1910.11670, section 4)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.body_layer import BodyLayer
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.decoder import Decoder, Likelihood
from sslctrl.embeddings.vae import gaussian_kl
from sslctrl.errors import InputError, check_among, check_least
from sslctrl.heads import FlatHead, fresh_copy, map_shape
from sslctrl.history import History
from sslctrl.imagining import Imagining
from sslctrl.kl_weight import KlWeight
from sslctrl.objective import Loss, to_float


class CcVae(Imagining):
    """What changes within an episode, z, apart from what does not, the context c = e0(s0) of its first frame.

    Loss = mean over the batch of -log p(s_t|z, c) - log p(s0|c) + beta KL(q(z|s_t, c) || N(0, I)), beta in the
    convention of `Vae`, `smooth`, `body` and `slow_start` as there. The colour and shape of an episode's object cost z
    nothing: c has them, and KL does not count c. A moment is the episode's first frame and the present one; the
    embedding is mu, and policies see c beside it. e and e0 share no weights.

    `context_from` any: in training, s0 is any frame of the episode, not the first (the paper's). There are as many
    contexts to learn from as frames then, and none tells where things still are a moment later, which z is to say.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 8,
        context_dim: int = 16,
        beta: float = 0.08,
        width: int = 16,
        batch: int = 64,
        camera: str = "",
        size_px: int = 64,
        body: tuple[int, ...] = (),
        smooth: float = 0.0,
        slow_start: int = 0,
        context_from: Literal["first", "any"] = "first",
    ) -> None:
        super().__init__(backbone, dim, size_px, batch, camera, History(first=True))
        check_among(("first", "any"), context_from=context_from)
        check_least(1, context_dim=context_dim)
        shape = map_shape(backbone, size_px)
        self.context_backbone = fresh_copy(backbone)
        self.context_head = FlatHead(shape, context_dim)
        self.features = FlatHead(shape, 128)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(128 + context_dim, 128), nn.ReLU(), nn.Linear(128, 2 * dim))
        self.decoder = Decoder(dim + context_dim, size_px, width)
        self.body = BodyLayer(body, size_px, width)
        self.context_decoder = Decoder(context_dim, size_px, width)
        self.likelihood = Likelihood(smooth, size_px)
        self.kl_weight, self.context_from, self.context_dim = KlWeight(beta, slow_start), context_from, context_dim

    @property
    def seen_dim(self) -> int:
        """Numbers of mu and of the context."""
        return self.dim + self.context_dim

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """Of the present frame and of the first."""
        return self.backbone, self.context_backbone

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick independent frames of all episodes, from `camera` or, where it is empty, from any, each with its
        episode's first or, with `context_from` any, before it another of its episode.
        """
        pick = super().pick(layout, rng)
        if self.context_from == "first":
            return pick._replace(context=True)
        other = (rng.random(self.batch) * layout.lengths[pick.episode]).astype(int)
        return pick._replace(step=np.concatenate([other[:, None, None], pick.step], axis=2))

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the negative evidence lower bound of clips of one view: of one frame, with their context, or of two,
        the first of which is that.
        """
        images = self.images(clips)
        if images.shape[1:3] == (1, 1) and clips.context is not None:
            first, images = to_float(clips.context, self.device), images[:, 0, 0]
        elif images.shape[1:3] == (1, 2):
            first, images = images[:, 0].unbind(1)
            proprio = None if clips.proprio is None else clips.proprio[:, :, 1:]
            clips = clips._replace(frames=clips.frames[:, :, 1:], proprio=proprio)
        else:
            raise InputError(
                f"the clips are {tuple(clips.frames.shape)}, with context: {clips.context is not None}; "
                "allowed are (B, 1, 1, 3, H, W) with context, or (B, 1, 2, 3, H, W); pick them as pick() does"
            )
        context = self.context(first)
        mu, log_variance = self.posterior(images, context)
        noise = torch.randn(mu.shape, generator=rng, device=mu.device)
        z = mu + noise * torch.exp(0.5 * log_variance)
        decoded = self.body.over(self.decoder(torch.cat([z, context], dim=1)), clips)
        reconstruction = self.likelihood(decoded, images)
        context_reconstruction = self.likelihood(self.context_decoder(context), first)
        kl = gaussian_kl(mu, log_variance).mean()
        metrics = {
            "reconstruction": reconstruction.detach(),
            "context_reconstruction": context_reconstruction.detach(),
            "kl": kl.detach(),
        }
        return Loss(reconstruction + context_reconstruction + self.kl_weight() * kl, metrics)

    def context(self, first: Tensor) -> Tensor:
        """Return c (N, C) of episodes' first frames, float (N, 3, H, W)."""
        return self.context_head(self.context_backbone(first)).float()

    def posterior(self, images: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """Return mu and log sigma^2, (N, D) each, of float images (N, 3, H, W) and their contexts (N, C)."""
        features = self.features(self.backbone(images))
        mu, log_variance = self.head(torch.cat([features, context], dim=1)).float().chunk(2, dim=1)
        return mu, log_variance

    def encode(self, images: Tensor) -> Tensor:
        """Return mu (N, D) of moments (N, 2, 3, H, W): the episode's first frame, then the present one."""
        return self.observe(images)[:, : self.dim]

    def observe(self, images: Tensor) -> Tensor:
        """Return mu and the context, (N, D + C), of moments as `encode` has them: what an object looks like decides how
        it can be moved.
        """
        first, present = images.unbind(1)
        context = self.context(first)
        return torch.cat([self.posterior(present, context)[0], context], dim=1)

    @torch.no_grad()
    def decode(self, z: Tensor, first: Tensor | None = None) -> Tensor:
        """Return what embeddings (N, D) look like in episodes that begin with uint8 frames (N, 3, H, W): uint8, the
        same shape. Raises InputError without these, or with another number of them. With `body`, the scene without it.
        """
        if first is None:
            raise InputError("no first frames are given; an embedding looks otherwise in each episode; give them")
        if z.shape != (len(first), self.dim):
            raise InputError(f"z is {tuple(z.shape)} with {len(first)} frames; allowed is ({len(first)}, {self.dim})")
        context = self.in_eval(self.context, first)
        return self.decoder.to_frames(torch.cat([z.to(self.device), context], dim=1))
