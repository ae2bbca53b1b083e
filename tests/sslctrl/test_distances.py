from __future__ import annotations

import numpy as np
import pytest

from sslctrl.errors import InputError
from sslctrl.metrics.distances import compared


def test_distances_of_the_same_pairs_are_ranked() -> None:
    places = np.random.default_rng(0).uniform(size=(200, 2))
    found = compared(3 * places[:, ::-1] + 1, places, 500, np.random.default_rng(1))
    np.testing.assert_allclose(found.latent, 3 * found.true_m)
    assert len(found.true_m) == 500 and found.rank_correlation == pytest.approx(1.0)
    assert compared(0 * places, places, 500, np.random.default_rng(1)).rank_correlation == 0
    with pytest.raises(InputError, match="not finite"):
        compared(np.inf * places, places, 500, np.random.default_rng(1))
    noise = np.random.default_rng(2).normal(size=(200, 2))
    assert abs(compared(noise, places, 5000, np.random.default_rng(1)).rank_correlation) < 0.1
