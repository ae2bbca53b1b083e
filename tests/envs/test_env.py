"""The Gymnasium interface: both checkers, rewards, actions, names and goals."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import envs
from envs import EPISODE_STEPS
from envs.env import RobotEnv
from sslctrl.errors import InputError

IDS = ("sslctrl/Reach-v0", "sslctrl/Push-v0", "sslctrl/PushVaried-v0", "sslctrl/Grasp-v0")


@pytest.fixture(scope="module")
def push():
    env = RobotEnv("push", cameras=("front", "corner"))
    yield env
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_both_checkers_pass_without_a_warning(env_id):
    env = gym.make(env_id, render_mode="rgb_array").unwrapped
    check_env(env)
    sb3_check_env(env)
    env.close()
    env.close()  # a second time does nothing


@pytest.mark.parametrize("env_id", IDS)
def test_worlds_are_registered_as_their_tasks_are(env_id):
    env = gym.make(f"{envs.__name__}:{env_id}")
    robot = env.unwrapped
    assert isinstance(robot, RobotEnv)
    assert env.spec is not None and env.spec.max_episode_steps == EPISODE_STEPS == 50
    varied = env_id in ("sslctrl/PushVaried-v0", "sslctrl/Grasp-v0")
    assert robot.task.variety == ("train" if varied else "fixed")
    assert robot.metadata["render_fps"] == 24
    env.close()


def test_an_episode_ends_by_truncation_after_max_steps():
    env = gym.make("sslctrl/Push-v0")
    env.reset(seed=0)
    ends = [env.step(np.zeros(2, np.float32))[2:4] for _ in range(50)]
    assert ends == [(False, False)] * 49 + [(False, True)]
    env.close()


@pytest.mark.parametrize("reward", ["sparse", "dense"])
def test_rewards_by_hand_one_by_one_and_all_at_once(reward):
    env = RobotEnv("push", reward=reward)
    rng = np.random.default_rng(0)
    achieved, desired = rng.uniform(-0.1, 0.1, (2, 200, 2))
    together = env.compute_reward(achieved, desired, None)
    alone = [env.compute_reward(a, d, {}) for a, d in zip(achieved, desired, strict=True)]
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (200,)
    goal = np.array([0.45, 0.0])
    off = goal + np.array([[0.0, 0.0], [0.03, 0.0399], [0.03, 0.0401]])  # at 0, just under 5 and just over 5 cm
    expected = [0, 0, -1] if reward == "sparse" else [0, -0.04992, -0.05008]
    np.testing.assert_allclose(env.compute_reward(off, goal[None], None), expected, atol=1e-5)
    env.close()


def test_step_reward_is_the_goal_reward_and_info_says_so(push):
    push.reset(seed=3)
    for _ in range(40):
        observation, reward, terminated, truncated, info = push.step(push.expert_action())
        achieved, desired = observation["achieved_goal"], observation["desired_goal"]
        assert reward == push.compute_reward(achieved, desired, info) and not terminated and not truncated
        assert info["is_success"] == (info["distance_m"] < 0.05) == (reward == 0)
        assert info["distance_m"] == pytest.approx(np.linalg.norm(achieved - desired))
    assert info["is_success"]


@pytest.mark.parametrize("task", ["push", "grasp"])
def test_a_bad_action_names_its_component_and_changes_nothing(task):
    clean, poked = RobotEnv(task), RobotEnv(task)
    size = clean.action_space.shape[0]
    not_a_number, infinite = np.zeros(size), np.zeros(size)
    not_a_number[1], infinite[-1] = np.nan, np.inf
    last = clean.task.action_names[-1]
    bad = [(not_a_number, "y=nan"), (infinite, f"{last}=inf"), (np.zeros(size + 1), rf"\({size},\)"), (0.0, "shape")]
    for env in (clean, poked):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        for action, message in bad:
            before = poked.state
            with pytest.raises(InputError, match=message):
                poked.step(action)
            np.testing.assert_array_equal(poked.state, before)
        action = rng.uniform(-1, 1, size)
        clean.step(action)
        poked.step(action)
        np.testing.assert_array_equal(clean.state, poked.state)  # bit for bit: the refused ones left no trace
    clean.close()
    poked.close()


def test_actions_outside_the_box_are_clipped():
    states = []
    for scale in (1, 7):
        env = RobotEnv("push")
        env.reset(seed=0)
        env.step(np.array([1.0, -1.0]) * scale)
        states.append(env.state)
        env.close()
    np.testing.assert_array_equal(*states)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "pusj"}, "push"),
        ({"variety": "holdout"}, "heldout"),
        ({"reward": "shaped"}, "sparse, dense"),
        ({"timing": "fast"}, "default, panda_gym"),
        ({"renderer": "opengl"}, "raster, tiny"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"cameras": ("front", "behind")}, r"behind given; .*corner"),
        ({"cameras": ()}, "front"),
        ({"randomize": 1.5}, "from 0"),
        ({"orbit_rad": 4.0}, "from 0 to pi"),
        ({"randomize": float("nan")}, "from 0"),
        ({"randomize": 0.5, "renderer": "tiny"}, "choose raster"),
    ],
)
def test_unknown_names_are_refused_with_what_is_allowed(options, message):
    with pytest.raises(InputError, match=message) as raised:
        RobotEnv(**({"task": "push"} | options))
    assert raised.value.exit_code == 2 and "\n" not in str(raised.value)


def test_goal_option_fixes_the_goal_and_nothing_else(push):
    drawn, _ = push.reset(seed=5)
    frames = push.frames(32)
    given, _ = push.reset(seed=5, options={"goal": (0.40, 0.05)})
    np.testing.assert_array_equal(given["desired_goal"], (0.40, 0.05))
    np.testing.assert_array_equal(given["observation"], drawn["observation"])
    np.testing.assert_array_equal(push.frames(32), frames)
    push.set_goal(np.array([0.5, 0.0]))
    np.testing.assert_array_equal(push.step(np.zeros(2))[0]["desired_goal"], (0.5, 0.0))
    for bad in ((0.4,), (0.4, np.nan), (0.4, 0.0, 0.1)):
        with pytest.raises(InputError, match="2 finite numbers"):
            push.reset(seed=5, options={"goal": bad})
    for bad in ((45.0, 0.0), (0.5, 0.4)):
        with pytest.raises(InputError, match=r"goal \[.*\] given; allowed is \[0.29, -0.16\] to \[0.61, 0.16\] m"):
            push.reset(seed=5, options={"goal": bad})
    with pytest.raises(InputError, match=r"allowed is \[0.0, -0.855, 0.0\] to \[0.855, 0.855, 0.855\] m"):
        RobotEnv("grasp").reset(options={"goal": (0.45, 0.0, -0.1)})
    with pytest.raises(InputError, match=r"'gaol'.*goal"):
        push.reset(seed=5, options={"gaol": (0.4, 0.0)})


def test_pictures_have_the_cameras_names_and_no_goal_in_them(push):
    push.reset(seed=1)
    views = push.render_views(48)
    assert list(views) == ["front", "corner"] == list(push.cameras)
    assert all(view.shape == (48, 48, 3) and view.dtype == np.uint8 for view in views.values())
    np.testing.assert_array_equal(np.stack(list(views.values())), push.frames(48))
    push.set_goal(push.goal + 0.05)
    np.testing.assert_array_equal(push.frames(48), np.stack(list(views.values())))
    assert push.render() is None


def test_randomisation_changes_the_look_and_not_the_motion():
    plain, dressed = RobotEnv("push"), RobotEnv("push", randomize=1.0, orbit_rad=0.5)
    for env in (plain, dressed):
        env.reset(seed=2)
    np.testing.assert_array_equal(plain.state, dressed.state)
    assert np.abs(plain.frames(32).astype(int) - dressed.frames(32)).mean() > 5
    first = dressed.frames(32)
    dressed.reset(seed=3)
    dressed.reset(seed=2)
    np.testing.assert_array_equal(dressed.frames(32), first)
    plain.close()
    dressed.close()


def test_a_camera_sees_the_same_whichever_others_are_rendered():
    few = RobotEnv("push", randomize=1.0, orbit_rad=0.5, cameras=("right", "front"))
    all_ = RobotEnv("push", randomize=1.0, orbit_rad=0.5)
    for env in (few, all_):
        env.reset(seed=2)
    assert few.views == (all_.views[2], all_.views[0])
    np.testing.assert_array_equal(few.frames(32), all_.frames(32)[[2, 0]])
    few.close()
    all_.close()


@pytest.mark.parametrize(
    ("size", "said"), [(4, "4 x 4"), (64.0, "64.0 x 64.0"), ("64", "64 x 64"), ((64, 9999), "64 x")]
)
def test_a_picture_of_an_impossible_size_is_refused_and_the_episode_goes_on(push, size, said):
    push.reset(seed=5)
    before, drawn = push.sim.part_poses().copy(), push.np_random.bit_generator.state
    for ask in (lambda: push.render_views(size), lambda: push.reset(options={"goal_px": size})):
        with pytest.raises(InputError, match=rf"size {said}.* px given; a side is a whole number"):
            ask()
    np.testing.assert_array_equal(push.sim.part_poses(), before)
    assert push.np_random.bit_generator.state == drawn


@pytest.mark.parametrize("copy_of", [copy.deepcopy, pickle.dumps])
def test_a_world_is_not_copied(push, copy_of):
    with pytest.raises(InputError, match="make another and reset it with the same seed"):
        copy_of(push)
