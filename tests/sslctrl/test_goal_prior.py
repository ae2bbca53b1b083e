from __future__ import annotations

import numpy as np
import pytest
import torch

from sslctrl.embeddings.cc_vae import CcVae
from sslctrl.embeddings.vae import Vae
from sslctrl.goal_prior import GoalPrior
from vision.backbones.conv import Conv


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_it_is_standard_normal_until_it_is_fitted() -> None:
    prior = GoalPrior(3)
    z = prior.sample(4000, rng())
    assert z.shape == (4000, 3) and torch.equal(z, prior.sample(4000, rng()))
    assert z.mean(0).abs().max() < 0.06 and (torch.cov(z.T) - torch.eye(3)).abs().max() < 0.08


def test_it_has_the_mean_and_covariance_of_what_it_is_fitted_to() -> None:
    prior = GoalPrior(3)
    data = torch.randn(500, 3, generator=rng()) @ torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [0, 0, 0]]) + 4
    prior.fit(data)  # the third direction never varies
    z = prior.sample(8000, rng())
    torch.testing.assert_close(z.mean(0), data.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(z.T), torch.cov(data.T), atol=0.25, rtol=0)
    assert z[:, 2].std() < 1e-4
    again = GoalPrior(3)
    again.load_state_dict(prior.state_dict())
    assert torch.equal(again.sample(5, rng()), prior.sample(5, rng()))


def test_goals_lie_where_the_embeddings_do() -> None:
    """On a ring, say, and not in its middle, where one Gaussian has most of its own."""
    angle = 2 * np.pi * torch.rand(2000, generator=rng())
    prior = GoalPrior(2)
    prior.fit(3 * torch.stack([angle.cos(), angle.sin()], 1) + 5)
    radius = (prior.sample(2000, rng()) - 5).norm(dim=1)
    assert (radius - 3).abs().mean() < 0.15


def test_few_embeddings_have_fewer_components() -> None:
    prior = GoalPrior(2)
    corners = torch.tensor([[0.0, 0], [1, 0], [0, 1]])
    prior.fit(corners.repeat(10, 1))
    goals = prior.sample(300, rng())
    nearest = torch.cdist(goals, corners).min(1)
    assert nearest.values.max() < 0.1 and len(nearest.indices.unique()) == 3


@pytest.mark.parametrize("cls", [Vae, CcVae])
def test_finish_fits_it_to_the_embeddings_of_the_video(cls, tiny_store) -> None:
    torch.manual_seed(0)
    model = cls(Conv((4, 8), (2, 2)), dim=2, width=2, size_px=32, camera="left").eval()
    model.finish(tiny_store, np.random.default_rng(0))
    z = np.concatenate([model.embed_video(tiny_store.read(id).frames[1]) for id in tiny_store.ids])
    spread = z.std(0)
    assert spread.min() > 0
    mean = (model.goals.weight @ model.goals.mean).numpy()
    np.testing.assert_allclose((mean - z.mean(0)) / spread, 0, atol=0.1)
    goals = model.goals.sample(8000, rng()).numpy()
    np.testing.assert_allclose(np.cov(goals.T) / np.outer(spread, spread), np.corrcoef(z.T), atol=0.2)
