from __future__ import annotations

import numpy as np
import pytest

from sslctrl.errors import InputError
from sslctrl.metrics.retrieval import localised, retrieval_top1


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_equal_vectors_are_found_whatever_their_length() -> None:
    labels = np.repeat(np.arange(5), 4)
    vectors = np.eye(5)[labels]
    lengths = rng().uniform(0.1, 9, (20, 1))
    assert retrieval_top1(vectors * lengths, labels, vectors, labels, rng()) == 1
    assert retrieval_top1(vectors, labels, np.eye(5)[(labels + 1) % 5], labels, rng()) == 0


def test_noise_guesses_one_of_the_labels() -> None:
    labels = rng().integers(0, 20, 4000)
    found = retrieval_top1(
        rng().normal(size=(4000, 8)), labels, np.random.default_rng(1).normal(size=(4000, 8)), labels, rng()
    )
    assert found == pytest.approx(1 / 20, abs=0.02)


def test_each_label_has_one_key_in_a_gallery_however_many_it_has() -> None:
    labels = np.array([0] * 99 + [1])  # were all keys in the gallery, noise would nearly always find a 0
    queries, keys = rng().normal(size=(2000, 8)), np.random.default_rng(1).normal(size=(100, 8))
    assert retrieval_top1(queries, np.ones(2000, int), keys, labels, rng()) == pytest.approx(0.5, abs=0.05)


def test_one_embedding_for_all_finds_no_more_than_guesses_do() -> None:
    labels = np.array([0] * 80 + [1, 2, 3] * 7)
    for same in (np.zeros((len(labels), 3)), np.ones((len(labels), 3))):
        assert retrieval_top1(same, labels, same, labels, rng()) == pytest.approx(1 / 4)


def test_refuses() -> None:
    with pytest.raises(InputError, match="not finite"):
        retrieval_top1(np.full((1, 2), np.nan), np.zeros(1), np.zeros((1, 2)), np.zeros(1), rng())
    with pytest.raises(InputError, match=r"allowed are \(Q, D\)"):
        retrieval_top1(np.zeros((3, 2)), np.zeros(3), np.zeros((3, 4)), np.zeros(3), rng())
    with pytest.raises(InputError, match="no key has the label 2"):
        retrieval_top1(np.zeros((1, 2)), np.array([2]), np.zeros((1, 2)), np.array([1]), rng())
    with pytest.raises(InputError, match="masks"):
        localised(np.zeros((2, 3, 3)), np.zeros((2, 3, 4), bool))


def test_the_highest_point_must_lie_on_the_mask() -> None:
    maps, masks = np.zeros((2, 3, 4)), np.zeros((2, 3, 4), bool)
    maps[:, 1, 2] = 5
    masks[0, 1, 2] = masks[1, 2, 2] = True
    assert localised(maps, masks).tolist() == [True, False]
    masks[:, 0] = True
    maps[0], maps[1] = 1, np.nan
    assert localised(maps, masks).tolist() == [False, False]
