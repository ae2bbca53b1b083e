"""Whether a task is what it says: names, sizes and the goals' box of a class that anybody may have written."""

from __future__ import annotations

import numpy as np

from envs.tasks.base import Task
from sslctrl.errors import InputError


def check_names(task: Task) -> None:
    """Raise InputError where the actions do not begin with x, y, z, such as there are, or the state with the hand along
    these, or `goal_box_m` is not of goals (G,).
    """
    name = type(task).__name__
    axes = [axis for axis in task.action_names if axis in ("x", "y", "z")]
    hand = [f"hand_{axis}" for axis in axes]
    for what, names, first in (("action_names", task.action_names, axes), ("state_names", task.state_names, hand)):
        if list(names[: len(first)]) != first:
            raise InputError(
                f"{name}.{what} are {', '.join(names)}; allowed are such as begin with {', '.join(first)}, where the "
                "hand goes and is; change their order, and what they name"
            )
    if not len(hand) <= task.proprio_size <= len(task.state_names):
        raise InputError(
            f"{name}.proprio_size is {task.proprio_size}; allowed is {len(hand)}, the hand, to "
            f"{len(task.state_names)}, the whole state; change it"
        )
    low, high = (np.shape(corner) for corner in task.goal_box_m)
    if not low == high == (task.goal_size,):
        raise InputError(
            f"{name}.goal_box_m has corners {low} and {high}, and goal_size is {task.goal_size}; allowed is "
            f"({task.goal_size},) for both; define goal_box_m"
        )


def check_sizes(task: Task, state: np.ndarray, goal: np.ndarray) -> None:
    """Raise InputError where a start's state (S,), what it has achieved or a goal (G,) are of other shapes than the
    names and `goal_size` say.
    """
    states, goals = (len(task.state_names),), (task.goal_size,)
    for what, found, said, by in (
        ("state", np.shape(state), states, "state_names"),
        ("achieved_goal", np.shape(task.achieved_goal(state)), goals, "goal_size"),
        ("sample_goal", np.shape(goal), goals, "goal_size"),
    ):
        if found != said:
            raise InputError(
                f"{type(task).__name__}.{what} returns {found}; allowed is {said}, as its {by} says; mend either"
            )
