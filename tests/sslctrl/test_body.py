"""What the body explains is gone from the residual; the rest is untouched."""

import numpy as np
import pytest
import torch

from sslctrl.body import coordinates, monomials, unexplained
from sslctrl.clips import Clips
from sslctrl.errors import InputError


def test_monomials_by_hand() -> None:
    body = torch.tensor([[-1.0, 2.0], [1.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    x, y = ((body - body.mean(0)) / body.std(0)).unbind(1)
    terms = [x**0, x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3]
    torch.testing.assert_close(monomials(body), torch.stack(terms, dim=1))


def test_a_cubic_function_of_the_body_leaves_nothing() -> None:
    rng = torch.Generator().manual_seed(0)
    body = torch.rand(40, 2, generator=rng, dtype=torch.float64)
    x, y = body.unbind(1)
    z = torch.stack([x**3 - y, 2 * x * y + 1, y**2 * x], dim=1)
    assert unexplained(z, body).abs().max() < 1e-9


def test_equals_numpys_least_squares() -> None:
    rng = torch.Generator().manual_seed(1)
    body = torch.rand(30, 2, generator=rng, dtype=torch.float64)
    z = torch.randn(30, 5, generator=rng, dtype=torch.float64)
    basis = monomials(body).numpy()
    expected = z.numpy() - basis @ np.linalg.lstsq(basis, z.numpy(), rcond=None)[0]
    np.testing.assert_allclose(unexplained(z, body).numpy(), expected, atol=1e-9)


def test_what_the_body_does_not_know_stays() -> None:
    rng = torch.Generator().manual_seed(2)
    body, puck = torch.rand(200, 2, generator=rng), torch.randn(200, 1, generator=rng)
    left = unexplained(10 * body[:, :1] + puck, body)
    assert torch.corrcoef(torch.cat([left, puck], dim=1).T)[0, 1] > 0.95


@pytest.mark.parametrize("third", ["constant", "binary", "repeated"])
def test_terms_that_say_the_same_take_nothing_more(third: str) -> None:
    rng = torch.Generator().manual_seed(4)
    xy, z = torch.rand(60, 2, generator=rng), torch.randn(60, 3, generator=rng)
    column = {"constant": torch.full((60,), 0.3), "binary": (torch.arange(60) % 2).float(), "repeated": xy[:, 0]}[third]
    body = torch.cat([xy, column[:, None]], dim=1)
    basis = monomials(body).double().numpy()
    expected = z.numpy() - basis @ np.linalg.lstsq(basis, z.double().numpy(), rcond=1e-5)[0]
    np.testing.assert_allclose(unexplained(z, body).numpy(), expected, atol=1e-4)
    resting = unexplained(z, torch.zeros(60, 2))
    torch.testing.assert_close(resting, z - z.mean(0), atol=1e-5, rtol=0)


def test_views_share_one_body() -> None:
    rng = torch.Generator().manual_seed(3)
    z, body = torch.randn(2, 3, 25, 4, generator=rng), torch.rand(2, 1, 25, 2, generator=rng)
    torch.testing.assert_close(unexplained(z, body)[1, 2], unexplained(z[1, 2], body[1, 0]), atol=1e-4, rtol=0)


def test_refuses_too_few_moments() -> None:
    with pytest.raises(InputError, match="10 terms explain them all"):
        unexplained(torch.zeros(10, 3), torch.zeros(10, 2))


def test_columns_that_the_video_has_not_are_refused() -> None:
    clips = Clips(torch.zeros(1, 2, 3, 3, 8, 8, dtype=torch.uint8), proprio=torch.zeros(1, 2, 3, 2))
    assert coordinates(clips, (1, 0)).shape == (1, 1, 3, 2)
    with pytest.raises(InputError, match="has 2 columns; name some of them"):
        coordinates(clips, (2,))
    with pytest.raises(InputError, match="has 0 columns; leave body out"):
        coordinates(clips._replace(proprio=torch.zeros(1, 2, 3, 0)), (0,))
