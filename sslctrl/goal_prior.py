"""Where imagined goals come from: a Gaussian over embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.objective import channels_first
from sslctrl.sampling import random_frames
from sslctrl.views import square

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.store import EpisodeStore

_FRAMES = 2048


class GoalPrior(nn.Module):
    """N(0, I) until it is fitted, then the mean and covariance of the embeddings it was fitted to.

    A VAE's latents are N(0, I) on the whole only where beta is large; goals drawn from N(0, I) where they are not are
    of scenes that do not exist (Nair, Pong et al. 2018, arXiv 1807.04742, section 4.4).
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))

    def fit_to(self, embedding: Embedding, store: EpisodeStore, camera: str, rng: np.random.Generator) -> None:
        """Fit to the embeddings of random frames of a store, from one camera or, where it is empty, from all."""
        pick = random_frames(store.layout, rng, _FRAMES, camera)
        clips = store.clips(pick._replace(context=embedding.history.first))
        parts = [frames for frames in (clips.context, clips.frames[:, 0, 0]) if frames is not None]
        sized = [channels_first(square(frames.movedim(1, -1).numpy(), embedding.size_px)) for frames in parts]
        self.fit(embedding.embed(torch.stack(sized, dim=1) if embedding.history.first else sized[0]))

    def fit(self, z: Tensor) -> None:
        """Fit to embeddings (N, D), N > D."""
        values, vectors = torch.linalg.eigh(torch.cov(z.double().T).reshape(z.shape[1], -1))
        self.mean.copy_(z.mean(0))
        self.factor.copy_(vectors * values.clamp_min(0).sqrt())

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw embeddings (count, D)."""
        noise = torch.randn(count, len(self.mean), generator=rng, device=rng.device)
        return self.mean + noise.to(self.mean.device) @ self.factor.mT
