from __future__ import annotations

import numpy as np
import pytest

from sslctrl.errors import InputError
from sslctrl.metrics.attributes import attribute_error, neighbors_across


def test_neighbors_are_the_nearest_of_other_episodes() -> None:
    rng = np.random.default_rng(0)
    z, episode = rng.normal(size=(30, 3)), rng.permutation(np.repeat([4, 7, 9], 10))
    for row, found in enumerate(neighbors_across(z, episode)):
        others = [i for i in range(30) if episode[i] != episode[row]]
        assert found == min(others, key=lambda i: float(((z[i] - z[row]) ** 2).sum()))


def test_error_averages_over_classes_and_a_lost_class_counts_whole() -> None:
    labels = np.array([0] * 8 + [1] * 2)
    assert attribute_error(labels, np.arange(10)) == 0
    assert attribute_error(labels, np.zeros(10, int)) == 0.5  # all say 0: one class right, one wholly wrong
    assert attribute_error(labels, np.array([0] * 6 + [9, 9] + [8, 0])) == pytest.approx((2 / 8 + 1 / 2) / 2)


def test_an_embedding_of_the_label_has_no_error_and_one_of_noise_guesses() -> None:
    rng = np.random.default_rng(1)
    labels, episode = rng.integers(0, 4, 2000), np.repeat(np.arange(20), 100)
    told = labels[:, None] + rng.normal(size=(2000, 1)) * 0.01
    assert attribute_error(labels, neighbors_across(told, episode)) == 0
    noise = attribute_error(labels, neighbors_across(rng.normal(size=(2000, 5)), episode))
    assert noise == pytest.approx(3 / 4, abs=0.04)


def test_refuses() -> None:
    with pytest.raises(InputError, match="one episode"):
        neighbors_across(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(InputError, match=r"\(N, D\)"):
        neighbors_across(np.zeros((3, 2)), np.zeros(4))
