"""The worlds with a goal that a demonstration fixes."""

from __future__ import annotations

import numpy as np

from agents.worlds import maker


def test_no_episode_starts_at_a_fixed_goal_and_others_are_as_drawn() -> None:
    goal = np.array([0.50, -0.02])
    free, fixed = (maker("sslctrl/Push-v0", "fixed", None, None, given)() for given in (None, goal))
    at_the_goal = 0
    for seed in range(40):
        drawn, _ = free.reset(seed=seed)
        first, info = fixed.reset(seed=seed)
        assert np.array_equal(first["desired_goal"], goal.astype(first["desired_goal"].dtype))
        assert np.linalg.norm(first["achieved_goal"] - goal) > 0.05 and not info["is_success"]
        if np.linalg.norm(drawn["achieved_goal"] - goal) <= 0.05:
            at_the_goal += 1
            again, _ = fixed.reset(seed=seed)
            assert np.array_equal(again["state"], first["state"])  # drawn again, and the same again
        else:
            assert np.array_equal(drawn["state"], first["state"])
    assert at_the_goal > 5
