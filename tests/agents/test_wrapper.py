"""The learner's wrapper against worlds whose every moment is known."""

from __future__ import annotations

import numpy as np
import pytest
from agents_toys import Sum, counters
from stable_baselines3 import HerReplayBuffer

from agents.judge import Judge, TrueDistance
from agents.senses import Senses
from agents.worlds import task_of
from agents.wrapper import LearnedVecEnv
from sslctrl.errors import InputError
from sslctrl.rewards import REWARDS

TARGETS = np.array([[5.0, 1.0]], np.float32)
LIMITS = (3, 4)
STILL = np.zeros((2, 2), np.float32)


def wrapped(goals: bool = False, targets: np.ndarray = TARGETS) -> LearnedVecEnv:
    encoder = Sum()
    judge = Judge(REWARDS.build("latent_distance", {}), targets, scale=2.0)
    return LearnedVecEnv(counters(LIMITS), Senses(encoder, encoder), judge, goals)


def z_of(world: int, step: int) -> np.ndarray:
    return np.array([10 * world + step, 1], np.float32)


def seen(world: int, step: int) -> np.ndarray:
    """What a policy sees: encoding, proprioception, time."""
    return np.array([10 * world + step, 1, world, step, step / LIMITS[world]], np.float32)


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


def test_hindsight_rewards_are_the_reward_of_the_stored_latents() -> None:
    env = wrapped(goals=True)
    buffer = HerReplayBuffer(100, env.observation_space, env.action_space, env, "cpu", n_envs=2)  # type: ignore[arg-type]
    before = env.reset()
    for _ in range(12):
        after, reward, done, infos = env.step(STILL)
        reached = {k: v.copy() for k, v in after.items()}  # type: ignore[union-attr]
        for i in np.flatnonzero(done):
            for key, value in infos[i]["terminal_observation"].items():
                reached[key][i] = value
        buffer.add(before, reached, STILL, reward, done, infos)  # type: ignore[arg-type]
        before = after
    batch = buffer.sample(200)
    desired = batch.next_observations["desired_goal"].numpy()
    reached_z = batch.next_observations["achieved_goal"].numpy()
    by_hand = -np.linalg.norm(reached_z - desired, axis=1) / 2
    assert np.allclose(batch.rewards.numpy()[:, 0], by_hand, atol=1e-6)
    assert len(np.unique(desired[:, 0])) > 2  # goals were relabelled
    assert env.env_method("compute_reward", reached_z, desired, [{}] * 200, indices=[0])[0] == pytest.approx(by_hand)


def test_the_oracle_sees_states_and_no_frames() -> None:
    env = LearnedVecEnv(counters(), Senses(None, None), Judge(TrueDistance(task_of("sslctrl/Push-v0")), None))
    env.reset()
    observation, reward, _, _ = env.step(STILL)
    assert np.allclose(observation, [[0, 1, -1, 1 / 3], [1, 1, -1, 1 / 4]])
    assert np.allclose(reward, [-np.hypot(1, 1), -1])


def test_a_reward_that_is_not_finite_is_refused() -> None:
    judge = Judge(lambda z, z_next, goal: np.full(len(z), np.nan), TARGETS)
    with pytest.raises(InputError, match="finite"):
        judge(TARGETS, TARGETS, TARGETS)


def test_the_worlds_answer_everything_else() -> None:
    assert wrapped().env_method("moment", 2)[1]["state"].tolist() == [1, 2, -2]
