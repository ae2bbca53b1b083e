from __future__ import annotations

import itertools

import numpy as np
import pytest

from sslctrl.errors import InputError
from sslctrl.metrics.alignment import (
    alignment_error,
    alignment_of,
    alignment_over_views,
    kendall_tau,
    state_floor,
)
from sslctrl.metrics.probe import probe_r2
from sslctrl.metrics.progress import reward_progress


def naive_alignment(z_a: np.ndarray, z_b: np.ndarray) -> float:
    errors = []
    for here, there in ((z_a, z_b), (z_b, z_a)):
        for t in range(len(here)):
            distances = [float(np.sqrt(((here[t] - z) ** 2).sum())) for z in there]
            errors.append(abs(t - distances.index(min(distances))) / len(here))
    return float(np.mean(errors))


def test_alignment_is_the_naive_loop() -> None:
    rng = np.random.default_rng(0)
    z_a, z_b = rng.normal(size=(2, 17, 3))
    assert alignment_error(z_a, z_b) == pytest.approx(naive_alignment(z_a, z_b))
    assert alignment_error(z_a, z_a) == 0


def test_alignment_looks_both_ways() -> None:
    z_a, z_b = np.array([[0.0], [10.0], [20.0]]), np.array([[0.0], [1.0], [2.0]])
    # a -> b: 0, 2, 2 for 0, 1, 2; b -> a: always 0
    assert alignment_error(z_a, z_b) == pytest.approx(np.mean([0, 1, 0, 0, 1, 2]) / 3)
    assert alignment_error(z_a, z_b) == alignment_error(z_b, z_a)


def test_a_collapsed_embedding_scores_as_guessing() -> None:
    guess = (50**2 - 1) / (3 * 50**2)
    assert alignment_error(np.ones((50, 4)), np.ones((50, 4))) == pytest.approx(guess)


def test_a_noise_embedding_scores_as_guessing() -> None:
    rng = np.random.default_rng(1)
    scores = [alignment_error(*rng.normal(size=(2, 50, 8))) for _ in range(40)]
    assert np.mean(scores) == pytest.approx(1 / 3, abs=0.02)


def test_alignment_over_views_is_the_mean_over_pairs() -> None:
    views = dict(zip("abc", np.random.default_rng(2).normal(size=(3, 9, 2)), strict=True))
    pairs = [alignment_error(views[a], views[b]) for a, b in itertools.combinations("abc", 2)]
    assert alignment_over_views(views) == pytest.approx(np.mean(pairs))
    with pytest.raises(InputError, match="two or more"):
        alignment_over_views({"a": views["a"]})


class _MeanColour:
    def embed_video(self, frames: np.ndarray) -> np.ndarray:
        return frames.mean(axis=(1, 2)).astype(np.float32)


def test_alignment_of_a_store(tiny_store) -> None:
    embedding = _MeanColour()
    got = alignment_of(embedding, tiny_store)  # type: ignore[arg-type]
    z = [embedding.embed_video(view) for view in tiny_store.read(tiny_store.ids[2]).frames]
    assert got.shape == (6,)
    assert got[2] == pytest.approx(np.mean([alignment_error(a, b) for a, b in itertools.combinations(z, 2)]))
    held_out = alignment_of(embedding, tiny_store, ["front", "left"], against="right")  # type: ignore[arg-type]
    assert held_out[2] == pytest.approx(np.mean([alignment_error(z[2], z[0]), alignment_error(z[2], z[1])]))
    with pytest.raises(InputError, match="nearest are right"):
        alignment_of(embedding, tiny_store, ["rihgt", "left"])  # type: ignore[arg-type]


def test_floor_by_hand() -> None:
    moving = np.arange(6.0)[:, None]
    assert state_floor(moving, 0.5) == 0
    assert state_floor(np.zeros((6, 2)), 0.5) == pytest.approx((36 - 1) / (3 * 36))
    stops = np.array(
        [[0.0], [1.0], [1.0], [5.0]]
    )  # steps 1 and 2 cannot be told apart: each errs by 1 half of the time
    assert state_floor(stops, 0.1) == pytest.approx((0.5 + 0.5) / 4 / 4)
    assert state_floor(np.array([[0.0, 0.0], [0.0, 9.0]]), 1.0) == 0  # every coordinate must be near


def test_floor_is_what_a_quantised_observer_gets() -> None:
    positions = np.random.default_rng(3).integers(0, 3, (40, 2)).astype(float)
    assert state_floor(positions, 0.0) == pytest.approx(alignment_error(positions, positions))


def test_kendall_counts_pairs() -> None:
    z = np.random.default_rng(4).normal(size=(12, 3))
    assert kendall_tau(z, z) == pytest.approx(1)
    assert kendall_tau(z, z[::-1]) == pytest.approx(-1)
    assert kendall_tau(np.ones((5, 3)), z) == 0
    order = np.random.default_rng(5).permutation(12)
    signs = [np.sign(order[j] - order[i]) for i, j in itertools.combinations(range(12), 2)]
    assert kendall_tau(z[order], z) == pytest.approx(np.mean(signs))
    tied = np.array([0.0, 0.0, 1.0, 2.0])[:, None]  # tau-b: 5 of 6 pairs are ordered alike, and one is a tie
    assert kendall_tau(tied, np.array([0.0, 1.0, 2.0])[:, None]) == pytest.approx(5 / np.sqrt(6 * 5))


@pytest.mark.parametrize("bad", [np.zeros((3, 2)), np.zeros(4), np.full((4, 3), np.nan), np.zeros((5, 3))])
def test_alignment_refuses(bad: np.ndarray) -> None:
    with pytest.raises(InputError):
        alignment_error(np.zeros((4, 3)), bad)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_probe_reads_what_is_there_and_nothing_else(kind) -> None:
    rng = np.random.default_rng(6)
    z = rng.normal(size=(900, 4)).astype(np.float32)
    target = np.stack([z @ [1, -2, 0.5, 0] + 3, rng.normal(size=900)], axis=1)
    r2 = probe_r2(z, target, np.repeat(np.arange(30), 30), kind)
    assert r2[0] > 0.97 and r2[1] < 0.05
    again, other = (probe_r2(z, target, np.repeat(np.arange(30), 30), kind, seed=seed) for seed in (0, 1))
    assert (again == r2).all() and (other != r2).all()  # other episodes are held out


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_of_what_never_varies_nothing_is_read(kind) -> None:
    z, episode = np.random.default_rng(6).normal(size=(200, 4)), np.repeat(np.arange(20), 10)
    for target in (np.full((200, 1), 0.3), np.stack([np.full(200, 0.3), z[:, 0]], axis=1)):
        assert probe_r2(z, target, episode, kind)[0] == 0


def test_only_the_mlp_reads_a_square() -> None:
    z = np.random.default_rng(7).normal(size=(1500, 3))
    target, episode = z[:, :1] ** 2, np.repeat(np.arange(50), 30)
    assert probe_r2(z, target, episode, "linear")[0] < 0.1
    assert probe_r2(z, target, episode, "mlp")[0] > 0.8


def test_probe_holds_out_whole_episodes() -> None:
    # each episode has its own fingerprint and its own target: memorising episodes must not pay
    rng = np.random.default_rng(8)
    episode = np.repeat(np.arange(40), 20)
    z, target = rng.normal(size=(40, 30))[episode], rng.normal(size=(40, 1))[episode]
    assert probe_r2(z, target, episode, "linear")[0] < 0.2


def test_the_ridge_is_as_strong_as_other_episodes_need() -> None:
    """As many noisy features as episodes to learn from: by single frames, whose neighbours tell them, none is asked."""
    rng = np.random.default_rng(10)
    episode = np.repeat(np.arange(60), 20)
    target = rng.normal(size=(60, 1))
    z = 0.5 * target + rng.normal(size=(60, 42))
    assert probe_r2(z[episode], target[episode], episode)[0] > 0.6


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_one_wild_frame_is_not_all_of_the_probes_r2(kind) -> None:
    rng = np.random.default_rng(9)
    z, episode = rng.normal(size=(900, 20)), np.repeat(np.arange(30), 30)
    target = z[:, :1] + 0.3 * rng.normal(size=(900, 1))
    z[451, 10:] = 1e4  # of one episode, held out by some of the seeds
    assert min(probe_r2(z, target, episode, kind, seed=seed)[0] for seed in range(4)) > 0.7


def test_probe_refuses() -> None:
    z = np.zeros((10, 2))
    with pytest.raises(InputError, match="one episode"):
        probe_r2(z, z, np.zeros(10))
    with pytest.raises(InputError, match="not finite"):
        probe_r2(np.full((10, 2), np.nan), z, np.arange(10))
    with pytest.raises(InputError, match=r"\(N, S\)"):
        probe_r2(z, z[:, 0], np.arange(10))
    with pytest.raises(InputError, match="linear, mlp"):
        probe_r2(z, z, np.arange(10), "forest")  # type: ignore[arg-type]


def test_reward_progress() -> None:
    distance = np.array([5.0, 4.0, 3.0, 2.0])
    assert reward_progress([np.exp(-distance)], [distance]) == 1  # any monotone reward ranks alike
    assert reward_progress([distance], [distance]) == -1
    three = [-distance, -distance, distance]
    assert reward_progress(three, [distance] * 3) == 1  # the median
    assert reward_progress([np.zeros(4)], [distance]) == 0
    assert reward_progress([distance, -distance], [np.ones(4), distance]) == 1  # the first never moves
    with pytest.raises(InputError, match="no episode"):
        reward_progress([distance], [np.ones(4)])
    with pytest.raises(InputError, match="not finite"):
        reward_progress([np.full(4, np.nan)], [distance])
