from __future__ import annotations

import numpy as np
import pytest

from envs.attributes import heading, quadrant
from envs.tasks import TASKS
from envs.tasks.push import CONTACT_M, Push
from envs.tray import CENTER_M


def test_headings_are_quarters_round_the_axes() -> None:
    angles = np.arange(8) * np.pi / 4 + 0.1
    moving = 0.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert heading(moving).tolist() == [1, 2, 2, 3, 3, 4, 4, 1]
    assert heading(moving * 0.1).tolist() == [0] * 8  # 2 cm/s is still


def test_quadrants() -> None:
    corners = np.array(CENTER_M) + 0.05 * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    assert quadrant(corners).tolist() == [0, 1, 2, 3]


def test_push_tells_contact_and_motion() -> None:
    x, y = CENTER_M
    apart = [x, y, 0, 0, x + CONTACT_M + 0.02, y + 0.01, 0, 0]
    pushed = [x, y, 0.2, 0, x + CONTACT_M + 0.001, y + 0.01, 0.2, 0]
    static, motion = Push().attributes(np.array([apart, pushed]))
    assert static["contact"].tolist() == [0, 1] and static["side"].tolist() == [3, 3]
    assert motion["moving"].tolist() == [0, 1] and motion["heading"].tolist() == [0, 1]


@pytest.mark.parametrize("name", TASKS.names())
def test_every_task_labels_all_of_its_states(name: str) -> None:
    task = TASKS.get(name)()
    states = np.random.default_rng(0).uniform(-0.5, 0.5, (40, len(task.state_names)))
    for labels in task.attributes(states):
        assert labels
        for values in labels.values():
            assert values.shape == (40,) and values.dtype.kind == "i" and values.min() >= 0


def test_what_touches_an_object_of_any_shape_is_not_guessed() -> None:
    assert set(TASKS.get("push_varied")().attributes(np.zeros((2, 8))).static) == {"side"}
