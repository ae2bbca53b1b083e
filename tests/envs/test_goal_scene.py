from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401 - registers the worlds
from envs.env import RobotEnv

IDS = ("Reach", "Push", "PushVaried", "Grasp")


def play(env: gym.Env, options: dict) -> tuple[list[np.ndarray], dict]:
    world, rng = env.unwrapped, np.random.default_rng(3)
    (_, info), seen = env.reset(options=options), []
    for _ in range(6):
        seen += [world.state, world.goal, world.frames(16)]  # type: ignore[attr-defined]
        env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))
    return seen, info


@pytest.mark.parametrize("name", IDS)
def test_the_episode_is_the_same_whether_its_goal_is_shown_or_not(name: str) -> None:
    plain, shown = (gym.make(f"sslctrl/{name}-v0", randomize=0.5) for _ in range(2))
    plain.reset(seed=4)
    shown.reset(seed=4, options={"goal_px": 16})
    for _ in range(2):  # also the next one of the same stream
        first, _ = play(plain, {})
        second, info = play(shown, {"goal_px": 16})
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)
        assert info["goal_frames"].shape == (4, 16, 16, 3)


@pytest.mark.parametrize("name", IDS)
def test_the_goal_is_reached_in_its_scene(name: str) -> None:
    env = gym.make(f"sslctrl/{name}-v0")
    task = env.unwrapped.task  # type: ignore[attr-defined]
    for seed in range(5):
        observation, info = env.reset(seed=seed, options={"goal_px": 32})
        reached = task.achieved_goal(info["goal_state"])
        np.testing.assert_allclose(reached, observation["desired_goal"], atol=2e-3)
        now = env.unwrapped.frames(32)  # type: ignore[attr-defined]
        assert (info["goal_frames"] != now).any(axis=(1, 2, 3)).all()  # every camera sees the difference


@pytest.mark.parametrize("task", ["reach", "push", "push_varied"])
def test_wherever_play_takes_things_may_be_a_goal(task: str) -> None:
    env, rng = RobotEnv(task), np.random.default_rng(0)
    for seed in range(3):
        env.reset(seed=seed)
        for _ in range(12):
            action = rng.choice([-1.0, 1.0], len(env.task.action_names))
            for _ in range(4):
                achieved = env.step(action)[0]["achieved_goal"]
                env.set_goal(achieved)
    env.close()


@pytest.mark.parametrize("looks", [{"randomize": 0.5}, {"orbit_rad": 0.3}])
def test_the_next_start_is_the_same_however_this_one_looks(looks: dict) -> None:
    plain, other = RobotEnv("push"), RobotEnv("push", **looks)
    for seed in (3, None, None):
        for env in (plain, other):
            env.reset(seed=seed)
        np.testing.assert_array_equal(plain.state, other.state)
        np.testing.assert_array_equal(plain.goal, other.goal)
    plain.close()
    other.close()
