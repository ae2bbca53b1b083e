from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslctrl.errors import InputError
from sslctrl.rewards import REWARDS


def call(name: str, z_next: list[list[float]], goal: list[list[float]], **options: float) -> np.ndarray:
    z = np.array(z_next, np.float32)
    return REWARDS.build(name, options)(np.zeros_like(z), z, np.array(goal, np.float32))


def test_huber_by_hand() -> None:
    got = call("huber", [[2.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], alpha=1.0, beta=1.0, gamma=0.0)
    np.testing.assert_allclose(got, [-6.0, 0.0])
    got = call("huber", [[3.0, 4.0]], [[0.0, 0.0]], alpha=0.5, beta=2.0, gamma=11.0)
    np.testing.assert_allclose(got, [-0.5 * 25 - 2 * 6])


def test_latent_distance_by_hand() -> None:
    np.testing.assert_allclose(call("latent_distance", [[3.0, 4.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]), [-5.0, 0.0])


def test_cosine_by_hand() -> None:
    got = call(
        "cosine", [[2.0, 0.0], [0.0, 3.0], [1.0, 1.0], [0.0, 0.0]], [[1.0, 0.0]] * 2 + [[-1.0, -1.0], [1.0, 0.0]]
    )
    np.testing.assert_allclose(got, [1.0, 0.0, -1.0, 0.0], atol=1e-7)


@pytest.mark.parametrize("name", REWARDS.names())
@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=6, max_size=6))
def test_is_finite_pure_and_row_by_row(name: str, values: list[float]) -> None:
    z = np.array(values, np.float32).reshape(3, 2)
    goal = z[::-1].copy()
    before = z.copy(), goal.copy()
    reward = REWARDS.build(name, {})
    got = reward(z, z, goal)
    assert got.shape == (3,) and got.dtype == np.float32 and np.isfinite(got).all()
    np.testing.assert_array_equal(z, before[0])
    np.testing.assert_array_equal(goal, before[1])
    for row in range(3):
        one = slice(row, row + 1)
        np.testing.assert_array_equal(reward(z[one], z[one], goal[one])[0], got[row])


@pytest.mark.parametrize("name", REWARDS.names())
@pytest.mark.parametrize("shapes", [((2, 3), (2, 3), (3,)), ((2, 3), (2, 3), (1, 3)), ((3,), (3,), (3,))])
def test_refuses_shapes(name: str, shapes: tuple) -> None:
    with pytest.raises(InputError, match="allowed is one shape"):
        REWARDS.build(name, {})(*(np.zeros(shape, np.float32) for shape in shapes))


@pytest.mark.parametrize("name", REWARDS.names())
def test_is_best_at_the_goal(name: str) -> None:
    goal = np.full((50, 4), 0.5, np.float32)
    other = goal + np.random.default_rng(0).normal(size=goal.shape).astype(np.float32)
    reward = REWARDS.build(name, {})
    assert (reward(other, other, goal) < reward(other, goal, goal)).all()


def test_huber_refuses_negative_weights() -> None:
    with pytest.raises(InputError, match="beta is -1"):
        REWARDS.build("huber", {"beta": -1.0})
