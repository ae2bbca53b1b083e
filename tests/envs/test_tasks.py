"""What every registered task promises."""

from __future__ import annotations

import colorsys
from itertools import product

import numpy as np
import pytest

from envs import EPISODE_STEPS, palette
from envs.env import RobotEnv
from envs.tasks import TASKS
from envs.tasks.grasp import IN_BIN
from envs.things import HELDOUT_HUES, HELDOUT_SHAPES, TRAIN_HUES, TRAIN_SHAPES, catalogue
from envs.tray import CENTER_M, HALF_M

KINDS = list(product(TASKS.names(), ("fixed", "train", "heldout")))


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def env(request):
    env = RobotEnv(request.param[0], variety=request.param[1])
    yield env
    env.close()


def here(env):
    """Positions (3,) of the free bodies that are in this episode."""
    places = {name: env.sim.pose(name)[0] for name, body in env.sim.bodies.items() if not body.fixed}
    return {name: place for name, place in places.items() if np.abs(place - (*CENTER_M, 0)).max() < 1}


def test_all_four_tasks_are_registered():
    assert {"reach", "push", "push_varied", "grasp"} <= set(TASKS.names())


def test_states_and_goals_have_the_shapes_that_the_task_names(env):
    task = env.task
    assert len(set(task.state_names)) == len(task.state_names) and len(set(task.action_names)) == len(task.action_names)
    states = np.array([env.reset(seed=seed)[0]["observation"] for seed in range(4)])
    assert states.shape == (4, len(task.state_names)) and np.isfinite(states).all()
    achieved = task.achieved_goal(states)
    assert achieved.shape == (4, task.goal_size)
    np.testing.assert_array_equal(achieved, [task.achieved_goal(state) for state in states])
    assert 0 < task.proprio_size <= states.shape[1]
    assert all(name.startswith(("hand_", "opening")) for name in task.state_names[: task.proprio_size])
    assert not any(name.startswith(("hand_", "opening")) for name in task.state_names[task.proprio_size :])
    np.testing.assert_array_equal(env.proprio, states[-1, : task.proprio_size])


def test_states_are_measurements_and_not_references(env):
    before, _ = env.reset(seed=0)
    copies = {name: value.copy() for name, value in before.items()}
    env.step(env.action_space.high)
    for name, value in before.items():
        np.testing.assert_array_equal(value, copies[name])


def test_goals_lie_in_the_workspace_and_are_not_reached_by_doing_nothing(env):
    solved = 0
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        goal = observation["desired_goal"]
        low, high = env.task.goal_box_m
        assert (low <= goal).all() and (goal <= high).all()
        assert goal.size > 3 or (np.abs(goal[:2] - CENTER_M).max() < HALF_M and (goal[2:] > 0).all())
        solved += info["is_success"]
    assert solved <= (2 if env.task.success_m < 0.05 else 0)


def test_the_expert_stays_in_the_box_and_has_no_memory(env):
    rng = np.random.default_rng(0)
    env.reset(seed=1)
    for _ in range(30):
        action = env.expert_action()
        assert action.shape == env.action_space.shape and env.action_space.contains(action)
        np.testing.assert_array_equal(action, env.expert_action())
        env.step(rng.uniform(-1, 1, action.shape))


def test_episodes_start_at_rest_with_nothing_overlapping(env):
    for seed in range(10):
        env.reset(seed=seed)
        start = here(env)
        action = np.zeros(env.action_space.shape)
        action[-1] = 1.0 if env.task.action_names[-1] == "gripper" else 0.0
        env.step(action)
        for name, place in here(env).items():  # bodies that overlap are thrown apart within a step
            assert np.linalg.norm(place - start[name]) < 0.002, (seed, name)
            assert np.linalg.norm(env.sim.velocity(name)[0]) < 0.05, (seed, name)
            assert np.abs(place[:2] - CENTER_M).max() < HALF_M


def test_seeds_differ(env):
    assert len({env.reset(seed=seed)[0]["observation"].tobytes() for seed in range(10)}) == 10


def test_objects_of_grasp_are_five_of_twenty_and_the_target_is_first():
    env = RobotEnv("grasp", variety="train")
    seen, targets = set(), set()
    for seed in range(60):
        observation, _ = env.reset(seed=seed)
        present = env.task.present
        assert set(here(env)) == {thing.name for thing in present} and len(present) == IN_BIN
        np.testing.assert_array_equal(observation["achieved_goal"], env.sim.pose(env.task.target.name)[0])
        np.testing.assert_array_equal(observation["desired_goal"][:2], observation["achieved_goal"][:2])
        assert observation["desired_goal"][2] - observation["achieved_goal"][2] > 0.1
        for thing in present:
            assert env._look.colors[thing.name] == thing.rgb
        seen |= set(present)
        targets.add(env.task.target)
    assert len(seen) == 20 and len(targets) >= 15
    env.close()


def test_catalogue_holds_out_shapes_colors_and_combinations():
    train, heldout, fixed = (catalogue(variety) for variety in ("train", "heldout", "fixed"))
    assert len(set(train)) == len(set(heldout)) == 20 and not set(train) & set(heldout)
    assert set(fixed) <= set(train) and len({t.shape for t in fixed}) == len({t.color for t in fixed}) == IN_BIN
    assert {t.shape for t in train} == set(TRAIN_SHAPES) and {t.color for t in train} == set(TRAIN_HUES)
    novel = [(t.shape in HELDOUT_SHAPES, t.color in HELDOUT_HUES) for t in heldout]
    assert [novel.count(kind) for kind in ((False, False), (False, True), (True, False))] == [8, 6, 6]
    assert set(HELDOUT_HUES.values()) == set(palette.HELDOUT_HUES)
    assert set(TRAIN_HUES.values()) <= set(palette.TRAIN_HUES)
    for thing in (*train, *heldout):
        assert colorsys.rgb_to_hsv(*thing.rgb)[0] == pytest.approx((TRAIN_HUES | HELDOUT_HUES)[thing.color])


@pytest.mark.parametrize("thing", sorted(set(catalogue("train") + catalogue("heldout")), key=str), ids=lambda t: t.name)
def test_every_object_fits_between_the_fingers(thing):
    vertices = thing.mesh().vertices
    across = vertices[:, :2] @ (-np.sin(thing.grip_rad), np.cos(thing.grip_rad))
    assert 0.012 < np.ptp(across) <= 0.0501  # the gripper opens to 8 cm and approaches at 6.4 cm
    assert np.ptp(vertices[:, 2]) >= 0.015 and vertices[:, 2].min() == pytest.approx(-vertices[:, 2].max(), abs=1e-6)


def test_what_waits_far_away_costs_nothing_and_is_not_seen():
    env = RobotEnv("grasp", variety="train", cameras=("front", "left", "right", "top", "corner"))
    env.reset(seed=0)
    images = env.renderer.render_all(env.sim.part_poses(), env._views, 96, env._look)
    names = {env.renderer.bodies[i] for i in np.unique(images.segmentation) if i >= 0}
    assert names - {"panda", "tray", "table"} == {thing.name for thing in env.task.present}
    waiting = [thing.name for thing in env.task.things if thing not in env.task.present]
    for _ in range(EPISODE_STEPS):
        env.step(np.zeros(5))
    assert all(env.sim.pose(name)[0][2] > 100 for name in waiting)  # still falling freely: they touch nothing
    assert not any(env.sim.touching(name, "table") for name in waiting)
    env.close()


def test_a_straight_push_leaves_every_shape_in_the_tray():
    env = RobotEnv("push_varied", variety="heldout", cameras=("front",))
    for seed in range(12):  # as hulls half cylinders were squeezed into the wall in most of these
        env.reset(seed=seed)
        for _ in range(50):
            ahead = env.state[4:6] - env.state[:2]
            env.step(ahead / np.abs(ahead).max())
            assert np.abs(env.state[4:6] - CENTER_M).max() < HALF_M
    env.close()
