"""Where imagined goals come from: a mixture of Gaussians over embeddings."""

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
_COMPONENTS = 20


class GoalPrior(nn.Module):
    """N(0, I) until it is fitted, then a mixture of Gaussians that was fitted to embeddings.

    A VAE's latents are N(0, I) on the whole only where beta is large; goals drawn from N(0, I) where they are not are
    of scenes that do not exist, and RIG fits a Gaussian (Nair, Pong et al. 2018, arXiv 1807.04742, section 4.4). Nor do
    latents fill one that are more than what they show can vary in: six of a hand's three coordinates lie on a sheet,
    which a mixture follows (Ghosh et al. 2020, arXiv 1903.12436, section 4).
    """

    weight: Tensor
    """float32 (K,): how often goals are drawn from each component."""
    mean: Tensor
    """float32 (K, D)."""
    factor: Tensor
    """float32 (K, D, D): of the covariances, factor @ factor.T."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.eye(_COMPONENTS)[0])
        self.register_buffer("mean", torch.zeros(_COMPONENTS, dim))
        self.register_buffer("factor", torch.eye(dim).repeat(_COMPONENTS, 1, 1))

    def fit_to(self, embedding: Embedding, store: EpisodeStore, camera: str, rng: np.random.Generator) -> None:
        """Fit to the embeddings of random frames of a store, from one camera or, where it is empty, from all."""
        pick = random_frames(store.layout, rng, _FRAMES, camera)
        clips = store.clips(pick._replace(context=embedding.history.first))
        parts = [frames for frames in (clips.context, clips.frames[:, 0, 0]) if frames is not None]
        sized = [channels_first(square(frames.movedim(1, -1).numpy(), embedding.size_px)) for frames in parts]
        self.fit(embedding.embed(torch.stack(sized, dim=1) if embedding.history.first else sized[0]))

    def fit(self, z: Tensor) -> None:
        """Fit to embeddings (N, D), N > D."""
        from sklearn.mixture import GaussianMixture

        z = z.detach().double().cpu()
        values, vectors = torch.linalg.eigh(torch.cov(z.T).reshape(z.shape[1], -1))
        spread = vectors * values.clamp_min(0).sqrt()  # one Gaussian's factor: what varies less is scaled up
        white = ((z - z.mean(0)) @ torch.linalg.pinv(spread, rtol=1e-6).mT).numpy()
        count = min(_COMPONENTS, len(np.unique(white, axis=0)))
        mixture = GaussianMixture(count, init_params="k-means++", reg_covar=1e-4, random_state=0).fit(white)
        self.weight.zero_()[:count] = torch.from_numpy(mixture.weights_)
        self.mean[:count] = z.mean(0) + torch.from_numpy(mixture.means_) @ spread.mT
        self.factor[:count] = spread @ torch.linalg.cholesky(torch.from_numpy(mixture.covariances_))

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        """Draw embeddings (count, D)."""
        of = torch.multinomial(self.weight.to(rng.device), count, replacement=True, generator=rng)
        noise = torch.randn(count, self.mean.shape[1], 1, generator=rng, device=rng.device)
        of, noise = of.to(self.mean.device), noise.to(self.mean.device)
        return self.mean[of] + (self.factor[of] @ noise).squeeze(2)
