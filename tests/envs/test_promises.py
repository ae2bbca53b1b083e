"""A task of anybody's that is not what it says is refused before it records anything."""

from __future__ import annotations

import numpy as np
import pytest

from envs.env import RobotEnv
from envs.tasks.push import Push
from envs.tray import CENTER_M
from sslctrl.errors import InputError

HAND, PUCK = Push.state_names[:4], Push.state_names[4:]


class PuckFirst(Push):
    """With the hand behind the puck, where what goes home would take the puck for it."""

    state_names = (*PUCK, *HAND)


class Swapped(Push):
    """With axes in another order than x, y, z."""

    action_names = ("y", "x")


class GripperFirst(Push):
    """With something else than the hand's motion before it."""

    action_names = ("gripper", "x", "y")


class FourNumbers(Push):
    """With goals that the box does not fit."""

    goal_size = 4


class Places(Push):
    """With goals of two places, whose box is its own, and an achieved goal of one."""

    goal_size = 4

    @property
    def goal_box_m(self):
        """The tray's, twice."""
        return tuple(np.tile(corner, 2) for corner in super().goal_box_m)


class BothPlaces(Places):
    """With goals of the hand's and the puck's place."""

    def achieved_goal(self, state):
        """Return both."""
        return np.concatenate([state[..., :2], state[..., 4:6]], axis=-1)

    def sample_goal(self, rng, state):
        """Return both."""
        return np.concatenate([CENTER_M, super().sample_goal(rng, state)])


class OneGoal(BothPlaces):
    """With goals of one place drawn."""

    def sample_goal(self, rng, state):
        """Return the hand's."""
        return np.array(CENTER_M)


class FarGoal(Push):
    """With goals outside its box."""

    def sample_goal(self, rng, state):
        """Return one."""
        return np.array([9.0, 0.0])


class LongerState(Push):
    """With one number more than names."""

    def state(self, sim, robot):
        """Return it."""
        return np.append(super().state(sim, robot), 0.0)


def own(task):
    return f"{__name__}:{task.__name__}"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (PuckFirst, r"PuckFirst.state_names are puck_x, .*begin with hand_x, hand_y"),
        (Swapped, r"Swapped.action_names are y, x; .*begin with x, y"),
        (GripperFirst, r"GripperFirst.action_names are gripper, x, y; .*begin with x, y"),
        (FourNumbers, r"corners \(2,\), \(2,\), and goal_size is 4; .*define goal_box_m"),
    ],
)
def test_names_that_do_not_say_what_is_there_are_refused(task, message):
    with pytest.raises(InputError, match=message):
        RobotEnv(own(task))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (LongerState, r"LongerState.state returns \(9,\); allowed is \(8,\), as its state_names says"),
        (Places, r"Places.achieved_goal returns \(2,\); allowed is \(4,\), as its goal_size says"),
        (OneGoal, r"OneGoal.sample_goal returns \(2,\); allowed is \(4,\)"),
        (FarGoal, r"FarGoal.sample_goal returns \[9.0, 0.0\]; allowed is \[.*, its goal_box_m"),
    ],
)
def test_sizes_are_refused_at_the_first_start(task, message):
    env = RobotEnv(own(task), cameras=("front",))
    with pytest.raises(InputError, match=message):
        env.reset(seed=0)
    env.close()


def test_goals_of_two_places_are_goals_as_any_others():
    env = RobotEnv(own(BothPlaces), cameras=("front",))
    observation, _ = env.reset(seed=0)
    goal = observation["desired_goal"]
    assert goal.shape == observation["achieved_goal"].shape == (4,)
    np.testing.assert_array_equal(env.reset(options={"goal": goal})[0]["desired_goal"], goal)
    with pytest.raises(InputError, match="allowed is"):
        env.set_goal(goal + np.array([0, 0, 1, 0]))
    env.close()
