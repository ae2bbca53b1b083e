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
    axes = [axis for axis in ("x", "y", "z") if axis in task.action_names]
    hand = [f"hand_{axis}" for axis in axes]
    for what, names, first in (("action_names", task.action_names, axes), ("state_names", task.state_names, hand)):
        if list(names[: len(first)]) != first:
            raise InputError(
                f"{name}.{what} are {', '.join(names)}; allowed are such as begin with {', '.join(first)}, where the "
                "hand goes and is; change their order, and what they name"
            )
    if not 0 <= task.proprio_size <= len(task.state_names):
        raise InputError(
            f"{name}.proprio_size is {task.proprio_size}; allowed is 0 to {len(task.state_names)}, the whole state; "
            "change it"
        )
    shapes = [np.shape(corner) for corner in task.goal_box_m]
    if shapes != [(task.goal_size,)] * 2:
        raise InputError(
            f"{name}.goal_box_m has corners {', '.join(map(str, shapes))}, and goal_size is {task.goal_size}; allowed "
            f"are two, ({task.goal_size},) each; define goal_box_m"
        )


def check_sizes(task: Task, state: np.ndarray, goal: np.ndarray) -> None:
    """Raise InputError where a start's state (S,), what it has achieved or the goal drawn (G,) are of other shapes than
    the names and `goal_size` say, or the goal is outside `goal_box_m`.
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
    low, high = task.goal_box_m
    if not ((low <= np.asarray(goal)) & (goal <= np.asarray(high))).all():
        raise InputError(
            f"{type(task).__name__}.sample_goal returns {np.asarray(goal).tolist()}; allowed is {list(low)} to "
            f"{list(high)}, its goal_box_m; mend either"
        )
