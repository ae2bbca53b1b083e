"""The learner's wrapper against worlds whose every moment is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from agents_toys import Sum, counters
from stable_baselines3 import HerReplayBuffer

from agents.encoders import PixelEncoder
from agents.goals import Desired, Goals, Imagined, Shown, Targets
from agents.judge import Judge, TrueDistance
from agents.relabel import RelabellingBuffer
from agents.senses import Senses
from agents.worlds import task_of
from agents.wrapper import LearnedVecEnv
from sslctrl.errors import InputError
from sslctrl.goal_prior import GoalPrior
from sslctrl.history import History
from sslctrl.imagining import Imagining
from sslctrl.rewards import REWARDS

TARGETS = np.array([[5.0, 1.0]], np.float32)
LIMITS = (3, 4)
STILL = np.zeros((2, 2), np.float32)


def wrapped(goals: bool = False, targets: np.ndarray = TARGETS, source: Goals | None = None) -> LearnedVecEnv:
    encoder = Sum()
    judge = Judge(REWARDS.build("latent_distance", {}), scale=2.0)
    return LearnedVecEnv(counters(LIMITS), Senses(encoder, encoder), judge, source or Targets(targets), goals)


def z_of(world: int, step: int) -> np.ndarray:
    return np.array([10 * world + step, 1], np.float32)


def seen(world: int, step: int) -> np.ndarray:
    """What a policy sees: encoding, its change since the step before, proprioception, time."""
    return np.array([10 * world + step, 1, step > 0, 0, world, step, step / LIMITS[world]], np.float32)


def test_every_step_is_as_by_hand_across_the_ends_of_episodes() -> None:
    env = wrapped()
    assert np.allclose(env.reset(), [seen(0, 0), seen(1, 0)])
    at = [0, 0]
    for _ in range(9):
        observation, reward, done, infos = env.step(STILL)
        for i, limit in enumerate(LIMITS):
            at[i] += 1
            assert reward[i] == pytest.approx(-np.linalg.norm(z_of(i, at[i]) - TARGETS[0]) / 2)
            assert infos[i]["env_reward"] == 7.0 * at[i]
            assert done[i] == (at[i] == limit)
            if done[i]:
                assert np.allclose(infos[i]["terminal_observation"], seen(i, limit))
                assert infos[i]["TimeLimit.truncated"]
                at[i] = 0
            assert np.allclose(observation[i], seen(i, at[i]))


def test_one_batch_a_step_with_the_frames_of_what_ended() -> None:
    env = wrapped()
    env.reset()
    for _ in range(4):
        env.step(STILL)
    assert env.senses.observer.calls == [2, 2, 2, 3, 3]  # type: ignore[union-attr]


def test_a_goal_for_each_time() -> None:
    env = wrapped(targets=np.array([[0, 1], [1, 1], [2, 1], [3, 1]], np.float32))
    env.reset()
    for step in (1, 2, 3):  # world 0 is where the demonstration is, also in the step that ends it
        assert env.step(STILL)[1][0] == 0, step


def test_goal_policies_see_what_is_achieved_and_desired_also_at_the_end() -> None:
    env = wrapped(goals=True)
    env.reset()
    for _ in range(3):
        observation, _, _, infos = env.step(STILL)
    assert isinstance(observation, dict)
    assert np.allclose(observation["achieved_goal"], [z_of(0, 0), z_of(1, 3)])
    assert np.allclose(infos[0]["terminal_observation"]["achieved_goal"], z_of(0, 3))
    assert np.allclose(observation["desired_goal"], TARGETS[[0, 0]])


def _fill(buffer: HerReplayBuffer, env: LearnedVecEnv, steps: int) -> None:
    """Add so many steps, as SB3 does it."""
    before = env.reset()
    for _ in range(steps):
        after, reward, done, infos = env.step(STILL)
        reached = {k: v.copy() for k, v in after.items()}  # type: ignore[union-attr]
        for i in np.flatnonzero(done):
            for key, value in infos[i]["terminal_observation"].items():
                reached[key][i] = value
        buffer.add(before, reached, STILL, reward, done, infos)  # type: ignore[arg-type]
        before = after


def test_hindsight_rewards_are_the_reward_of_the_stored_latents() -> None:
    env = wrapped(goals=True)
    buffer = HerReplayBuffer(100, env.observation_space, env.action_space, env, "cpu", n_envs=2)  # type: ignore[arg-type]
    _fill(buffer, env, 12)
    batch = buffer.sample(200)
    desired = batch.next_observations["desired_goal"].numpy()
    reached_z = batch.next_observations["achieved_goal"].numpy()
    by_hand = -np.linalg.norm(reached_z - desired, axis=1) / 2
    assert np.allclose(batch.rewards.numpy()[:, 0], by_hand, atol=1e-6)
    assert len(np.unique(desired[:, 0])) > 2  # goals were relabelled
    assert env.env_method("compute_reward", reached_z, desired, [{}] * 200, indices=[0])[0] == pytest.approx(by_hand)


def test_the_oracle_sees_states_and_no_frames() -> None:
    judge = Judge(TrueDistance(task_of("sslctrl/Push-v0")))
    env = LearnedVecEnv(counters(), Senses(None, None), judge, Desired())
    env.reset()
    observation, reward, _, _ = env.step(STILL)
    assert np.allclose(observation, [[0, 1, -1, 1 / 3], [1, 1, -1, 1 / 4]])
    assert np.allclose(reward, [-np.hypot(1, 1), -1])


def test_a_reward_that_is_not_finite_is_refused() -> None:
    judge = Judge(lambda z, z_next, goal: np.full(len(z), np.nan))
    with pytest.raises(InputError, match="finite"):
        judge(TARGETS, TARGETS, TARGETS)


def test_the_worlds_answer_everything_else() -> None:
    assert wrapped().env_method("moment", 2)[1]["state"].tolist() == [1, 2, -2]


def _imagining(prior: GoalPrior) -> Imagining:
    return cast(Imagining, SimpleNamespace(goals=prior))


def test_imagined_goals_last_an_episode_and_its_last_moment_has_them_too() -> None:
    env = wrapped(goals=True, source=Imagined(_imagining(GoalPrior(2)), seed=0))
    goals = [env.reset()["desired_goal"]]  # type: ignore[index]
    assert not np.allclose(goals[0][0], goals[0][1])
    for step in range(1, 13):
        observation, reward, done, infos = env.step(STILL)
        goals.append(observation["desired_goal"])  # type: ignore[index]
        for i, limit in enumerate(LIMITS):
            at = (step - 1) % limit + 1
            assert reward[i] == pytest.approx(-np.linalg.norm(z_of(i, at) - goals[-2][i]) / 2, rel=1e-5)
            assert np.allclose(goals[-1][i], goals[-2][i]) != done[i]
            if done[i]:
                assert np.allclose(infos[i]["terminal_observation"]["desired_goal"], goals[-2][i])


class _Remembers(Sum):
    """Reads three frames a moment, the episode's first among them, and remembers them."""

    history = History(2, first=True)

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        self.moments = frames
        return frames[:, -1, 0, 0, :2].astype(np.float32)


def test_shown_goals_are_encoded_where_an_episode_begins() -> None:
    encoder = _Remembers()
    raw = {
        "time": np.zeros((2, 1), np.float32),
        "pixels": np.arange(6).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 16, 16, 3)),
        "goal_pixels": np.array([90, 50]).reshape(2, 1, 1, 1) * np.ones((1, 16, 16, 3)),
        "goal_state": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
    }
    goals = Shown(Senses(encoder, encoder)).begin(raw)
    assert encoder.moments[:, :, 0, 0, 0].tolist() == [
        [0, 90, 90],
        [3, 50, 50],
    ]  # the first frame, then the goal's, twice
    assert goals[:, 0].tolist() == [90, 50]
    assert Shown(Senses(None, None, columns=(0, 2))).begin(raw).tolist() == [[1, 3], [4, 6]]


@pytest.mark.parametrize(("prior", "future"), [(0.5, 0.3), (0.0, 0.8), (1.0, 0.0), (0.0, 0.0)])
def test_relabelling_keeps_its_shares_and_rewards_follow(prior: float, future: float) -> None:
    env = wrapped(goals=True)
    buffer = RelabellingBuffer(
        100,
        env.observation_space,
        env.action_space,
        env,
        "cpu",
        n_envs=2,
        prior=prior,
        future=future,  # type: ignore[arg-type]
    )
    imagined = GoalPrior(2)
    imagined.fit(torch.full((5, 2), -7.0))
    buffer.imagined = Imagined(_imagining(imagined), seed=0)
    _fill(buffer, env, 24)
    for seen in (buffer.observations, buffer.next_observations):
        seen["desired_goal"][:] = 99  # where nothing ever comes
    batch = buffer.sample(1000)
    desired = batch.next_observations["desired_goal"].numpy()
    assert np.array_equal(desired, batch.observations["desired_goal"].numpy())
    from_prior, kept = (desired == -7).all(axis=1), (desired == 99).all(axis=1)
    assert from_prior.mean() == pytest.approx(prior, abs=0.002)
    assert kept.mean() == pytest.approx(1 - prior - future, abs=0.002)
    reached = {tuple(place) for place in buffer.next_observations["achieved_goal"].reshape(-1, 2).tolist()}
    assert {tuple(place) for place in desired[~from_prior & ~kept].tolist()} <= reached
    reached_z = batch.next_observations["achieved_goal"].numpy()
    goals = np.where(kept[:, None], TARGETS, desired)  # those that were kept keep their rewards
    assert np.allclose(batch.rewards.numpy()[:, 0], -np.linalg.norm(reached_z - goals, axis=1) / 2, atol=1e-5)


class _Progress:
    """How much nearer a step came, less what it costs; of what has not moved, nothing is known."""

    def __call__(self, z: np.ndarray, z_next: np.ndarray, goal: np.ndarray) -> np.ndarray:
        assert (z != z_next).any(axis=1).all()
        return np.linalg.norm(z - goal, axis=1) - np.linalg.norm(z_next - goal, axis=1) - 0.1


def test_a_reward_of_progress_is_of_the_step_towards_another_goal_too() -> None:
    env = wrapped(goals=True)
    env.judge = Judge(_Progress(), scale=2.0)
    spaces = env.observation_space, env.action_space
    buffer = RelabellingBuffer(100, *spaces, env, "cpu", n_envs=2, prior=0.0, future=1.0)  # type: ignore[arg-type]
    _fill(buffer, env, 24)
    batch = buffer.sample(500)
    z, z_next = (side["achieved_goal"].numpy() for side in (batch.observations, batch.next_observations))
    goal = batch.next_observations["desired_goal"].numpy()
    assert np.allclose(z_next - z, [1, 0]) and (goal[:, 0] >= z_next[:, 0]).all()  # each step comes nearer by 1
    assert np.allclose(batch.rewards.numpy(), (1 - 0.1) / 2)


def test_goals_of_hindsight_came_later_in_the_same_episode() -> None:
    env = wrapped(goals=True)
    spaces = env.observation_space, env.action_space
    buffer = RelabellingBuffer(100, *spaces, env, "cpu", n_envs=2, prior=0.0, future=1.0)  # type: ignore[arg-type]
    _fill(buffer, env, 24)
    buffer.next_observations["achieved_goal"][:] = np.moveaxis(np.indices((50, 2)), 0, -1)  # row and world
    batch = buffer.sample(1000).next_observations
    row, world = batch["achieved_goal"].numpy().astype(int).T
    of_row, of_world = batch["desired_goal"].numpy().astype(int).T
    limit = np.array(LIMITS)[world]
    assert np.array_equal(of_world, world) and np.array_equal(of_row // limit, row // limit)  # an episode each `limit`
    assert set(zip(world, row % limit, of_row % limit, strict=True)) == {
        (i, at, then) for i in (0, 1) for at in range(LIMITS[i]) for then in range(at, LIMITS[i])
    }


def test_averaged_pixels_are_means_of_areas_and_whole_ones_are_the_frame() -> None:
    frames = np.random.default_rng(0).integers(256, size=(2, 32, 32, 3), dtype=np.uint8)
    areas = frames.reshape(2, 16, 2, 16, 2, 3).mean((2, 4)) / 255
    pooled, whole = PixelEncoder(32, 16), PixelEncoder(32)
    np.testing.assert_allclose(pooled.embed_hwc(frames), areas.reshape(2, -1), atol=1e-6)
    np.testing.assert_allclose(whole.embed_hwc(frames), frames.reshape(2, -1) / 255, atol=1e-6)
    assert (pooled.dim, whole.dim) == (768, 3072)
