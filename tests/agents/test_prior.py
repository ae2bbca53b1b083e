"""Prior data against frame-by-frame encoding and rewards."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from agents_toys import counters, tiny
from stable_baselines3.common.buffers import ReplayBuffer

from agents import prior
from agents.goals import Desired, Targets
from agents.judge import Judge
from agents.lesson import lesson_of
from agents.senses import Senses
from agents.worlds import maker, task_of, vector_of
from agents.wrapper import LearnedVecEnv
from sslctrl.errors import InputError
from sslctrl.rewards import REWARDS
from sslctrl.store import EpisodeStore
from vision.build import load_embedding

HORIZON = 50


@pytest.fixture
def known(recorded: Path, tmp_path: Path) -> prior.Transitions:
    lesson = lesson_of(tiny(recorded, tmp_path), recorded / "embedding")
    store, task = EpisodeStore(recorded / "prior"), task_of("sslctrl/Push-v0")
    return prior.of_store(store, lesson, "right", task, HORIZON)


def test_transitions_are_as_frame_by_frame(recorded: Path, known: prior.Transitions) -> None:
    store, embedding = EpisodeStore(recorded / "prior"), load_embedding(recorded / "embedding")
    demo = EpisodeStore(recorded / "demo")
    goal = embedding.embed_hwc(demo.read(demo.ids[0]).frames[demo.cameras.index("left"), -1:])[0]
    row = 0
    for id in store.ids:
        episode = store.read(id)
        frames = episode.frames[store.cameras.index("right")]
        for t in range(len(episode.action)):
            first = t - t % HORIZON  # of the stretch: nothing moved before it
            z_before, z, z_next = embedding.embed_hwc(frames[[max(t - 1, first), t, t + 1]])
            time, time_next = t % HORIZON / HORIZON, (t % HORIZON + 1) / HORIZON
            before, after = known.before["observation"][row], known.after["observation"][row]
            assert np.allclose(before, [*z, *(z - z_before), *episode.proprio[t], time], atol=1e-5)
            assert np.allclose(after, [*z_next, *(z_next - z), *episode.proprio[t + 1], time_next], atol=1e-5)
            assert np.allclose(known.action[row], np.clip(episode.action[t], -1, 1))
            assert known.reward[row] == pytest.approx(-np.linalg.norm(z_next - goal), abs=1e-5)
            assert known.ended[row] == (t in (HORIZON - 1, len(episode.action) - 1))
            row += 1
    assert row == len(known.reward) == 120


def test_moments_of_several_frames_are_the_same_in_prior_and_world(recorded: Path, tmp_path: Path) -> None:
    lesson = lesson_of(tiny(recorded, tmp_path, embedding=recorded / "motion"), recorded / "motion")
    store = EpisodeStore(recorded / "prior").subset(["000000"])
    known = prior.of_store(store, lesson, "front", task_of("sslctrl/Push-v0"), HORIZON)
    episode = store.read("000000")
    worlds = LearnedVecEnv(
        vector_of(
            [maker("sslctrl/Push-v0", "fixed", "front", lesson.senses.size_px, None, lesson.senses.history)]
        ),
        lesson.senses, lesson.judge, lesson.goals,
    )  # fmt: skip
    worlds.seed(episode.meta["seed"])
    seen = [worlds.reset()[0]]  # type: ignore[index]
    for action in episode.action[: HORIZON - 1]:
        seen.append(worlds.step(action[None])[0][0])
    np.testing.assert_allclose(np.array(seen), known.before["observation"][:HORIZON], atol=1e-5)
    embedding = load_embedding(recorded / "motion")
    for start in (0, HORIZON):  # what comes after the world's limit is another episode there, and knows no earlier one
        stretch = known.before["observation"][start : start + HORIZON, :4]
        z = embedding.embed_video(episode.frames[0][start:])[: len(stretch)]
        np.testing.assert_allclose(stretch, z, atol=1e-5)


def test_the_buffer_holds_them_all_and_no_end_is_terminal(known: prior.Transitions) -> None:
    box = gym.spaces.Box(-np.inf, np.inf, known.before["observation"].shape[1:], np.float32)
    buffer = ReplayBuffer(500, box, counters().action_space, "cpu", n_envs=2)
    assert prior.fill(buffer, known) == 120
    assert buffer.pos == 60
    for name, values in (("observations", known.before["observation"]), ("actions", known.action)):
        held = getattr(buffer, name)[:60]
        assert np.array_equal(np.concatenate([held[:, 0], held[:, 1]]), values)
    assert np.array_equal(np.concatenate([buffer.rewards[:60, 0], buffer.rewards[:60, 1]]), known.reward)
    assert np.array_equal(buffer.dones, buffer.timeouts)
    assert buffer.dones[59].all()  # rollouts begin new episodes


def test_each_moment_is_compared_with_the_demonstration_s_of_its_own_time(recorded: Path, tmp_path: Path) -> None:
    lesson = lesson_of(tiny(recorded, tmp_path, goal_from="steps"), recorded / "embedding")
    known = prior.of_store(EpisodeStore(recorded / "prior"), lesson, "front", task_of("sslctrl/Push-v0"), HORIZON)
    assert isinstance(lesson.goals, Targets)
    arrived = known.after["observation"][:HORIZON, : lesson.goals.targets.shape[1]]
    due = lesson.goals.targets[
        np.rint(np.arange(1, HORIZON + 1) / HORIZON * (len(lesson.goals.targets) - 1)).astype(int)
    ]
    assert known.reward[:HORIZON] == pytest.approx(-np.linalg.norm(arrived - due, axis=1), rel=1e-4)


def test_scales_bring_inputs_and_rewards_to_one(known: prior.Transitions) -> None:
    scales = prior.scales_of(known)
    x = (known.before["observation"] - scales.mean) / scales.std
    assert np.abs(x.mean(axis=0)).max() < 1e-3
    assert np.allclose(x.std(axis=0), 1, atol=1e-3)
    assert np.abs(known.reward / scales.reward).mean() == pytest.approx(1, abs=1e-5)


def test_random_steps_follow_each_world_over_the_ends_of_episodes() -> None:
    judge = Judge(REWARDS.build("latent_distance", {}))
    env = LearnedVecEnv(counters((3, 4)), Senses(None, None), judge, Desired(), goal_policy=True)
    known = prior.of_random_steps(env, 12, seed=0)
    steps, after = known.before["achieved_goal"], known.after["achieved_goal"]
    assert steps.tolist() == [[0, t % 3] for t in range(6)] + [[1, t % 4] for t in range(6)]
    assert after.tolist() == [[0, t % 3 + 1] for t in range(6)] + [[1, t % 4 + 1] for t in range(6)]
    assert np.flatnonzero(known.ended).tolist() == [2, 5, 9, 11]
    assert known.reward == pytest.approx(-np.linalg.norm(after - [1, 2], axis=1))
    again, other = (prior.of_random_steps(env, 12, seed=seed).action for seed in (0, 1))
    assert (again == known.action).all() and (other != known.action).any(axis=1).all()


def test_video_of_another_world_is_refused(recorded: Path, tiny_store: EpisodeStore, tmp_path: Path) -> None:
    lesson = lesson_of(tiny(recorded, tmp_path), recorded / "embedding")
    with pytest.raises(InputError, match="same robot"):
        prior.of_store(tiny_store, lesson, "front", task_of("sslctrl/Push-v0"), HORIZON)


@pytest.mark.parametrize("options", [{"reward_from": "state"}, {"reward_from": "state", "goal_from": "shown"}])
def test_video_of_unknown_state_is_refused_where_the_state_is_asked_for(
    recorded: Path, tmp_path: Path, options: dict[str, str]
) -> None:
    known, store = EpisodeStore(recorded / "prior"), EpisodeStore(tmp_path / "real", create=True)
    episode = known.read(known.ids[0])
    store.add(episode._replace(state=episode.state[:, :0], meta={**episode.meta, "state_names": []}), "000000")
    task = task_of("sslctrl/Push-v0")
    lesson = lesson_of(tiny(recorded, tmp_path, demonstration=None, her=True, **options), recorded / "embedding")
    with pytest.raises(InputError, match="true state is known"):
        prior.of_store(store, lesson, "right", task, HORIZON)


@pytest.mark.parametrize("kept", [0, 5], ids=["real robot", "another world"])
def test_video_of_unknown_state_is_enough_where_nothing_asks_for_it(recorded: Path, tmp_path: Path, kept: int) -> None:
    known, store = EpisodeStore(recorded / "prior"), EpisodeStore(tmp_path / "real", create=True)
    for id in known.ids:
        episode = known.read(id)
        names = episode.meta["state_names"][:kept]
        store.add(episode._replace(state=episode.state[:, :kept], meta={**episode.meta, "state_names": names}), id)
    task = task_of("sslctrl/Push-v0")
    for changes in ({}, {"demonstration": None, "goal_from": "shown", "her": True}):
        lesson = lesson_of(tiny(recorded, tmp_path, **changes), recorded / "embedding")
        ours, theirs = (prior.of_store(one, lesson, "right", task, HORIZON) for one in (store, known))
        assert np.array_equal(ours.reward, theirs.reward)
        assert np.array_equal(ours.before["observation"], theirs.before["observation"])


def test_where_goals_are_shown_video_s_is_the_moment_that_each_stretch_ends_with(
    recorded: Path, tmp_path: Path
) -> None:
    changes = {"embedding": recorded / "vae", "demonstration": None, "goal_from": "shown", "her": True}
    lesson = lesson_of(tiny(recorded, tmp_path, **changes), recorded / "vae")
    store, embedding = EpisodeStore(recorded / "prior"), load_embedding(recorded / "vae")
    known = prior.of_store(store, lesson, "right", task_of("sslctrl/Push-v0"), HORIZON, goal_policy=True)
    row = 0
    for id in store.ids:
        z = embedding.embed_hwc(store.read(id).frames[store.cameras.index("right")])
        for start in range(0, len(z) - 1, HORIZON):
            end = min(start + HORIZON, len(z) - 1)
            rows = slice(row, row := row + end - start)
            for side in (known.before, known.after):
                assert np.allclose(side["desired_goal"][rows], z[end], atol=1e-6)
            by_hand = -np.linalg.norm(z[start + 1 : end + 1] - z[end], axis=1)
            assert known.reward[rows] == pytest.approx(by_hand, abs=1e-6)
    assert row == len(known.reward) == 120
