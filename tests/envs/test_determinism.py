"""Same seed, same machine, same versions: the same states and the same bytes of frames."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from envs.collect import CollectConfig, collect
from envs.env import RobotEnv

KINDS = [("reach", "fixed"), ("push", "fixed"), ("push_varied", "train"), ("grasp", "train"), ("grasp", "heldout")]
CAMERAS = ("front", "top")


def make(task, variety, timing="default"):
    return RobotEnv(task, variety=variety, timing=timing, randomize=0.5, cameras=CAMERAS)


def roll(env, seed, steps=50):
    """States (T+1, S) and frames of the disturbed expert: contacts of everything with everything."""
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    states, frames = [env.state], [env.frames(32)]
    for _ in range(steps):
        env.step(env.expert_action() + 0.3 * rng.standard_normal(env.action_space.shape))
        states.append(env.state)
        frames.append(env.frames(32))
    return np.array(states), np.array(frames)


def digest(task, variety):
    states, frames = roll(make(task, variety), 1)
    return hashlib.sha256(states.tobytes() + frames.tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("task", "variety", "timing"),
    [(*kind, "default") for kind in KINDS]
    + [pytest.param(*kind, "panda_gym", marks=pytest.mark.slow) for kind in KINDS if kind != ("push", "fixed")]
    + [("push", "fixed", "panda_gym")],
)
def test_a_reset_after_another_history_equals_a_new_world(task, variety, timing):
    used = make(task, variety, timing)
    for seed in range(2):
        roll(used, 100 + seed, 17 + seed)  # of different lengths, ending in the middle of contacts
    for seed in (1, 2):
        new = make(task, variety, timing)
        for ours, theirs in zip(roll(used, seed), roll(new, seed), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        new.close()
    used.close()


def test_worlds_side_by_side_do_not_disturb_each_other():
    alone = roll(make("grasp", "train"), 5)[0]
    first, second = make("grasp", "train"), make("push", "fixed")
    first.reset(seed=5)
    second.reset(seed=5)
    rng = np.random.default_rng(5)
    for step in range(50):
        first.step(first.expert_action() + 0.3 * rng.standard_normal(5))
        second.step(second.expert_action())
        np.testing.assert_array_equal(first.state, alone[step + 1])
    first.close()
    second.close()


def test_another_process_gives_the_same_bytes():
    script = (
        "import sys; sys.path.insert(0, 'tests/envs'); import test_determinism as t;"
        "print(*(t.digest(*kind) for kind in t.KINDS[:0:-2]))"
    )
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert there.stdout.split()[-2:] == [digest(*kind) for kind in KINDS[:0:-2]]  # Grasp's and PushVaried's, in turn


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["sslctrl/PushVaried-v0", "sslctrl/Grasp-v0"])
def test_any_number_of_workers_records_the_same_store(tmp_path, env_id):
    stores = []
    for workers in (1, 2, 3):
        config = CollectConfig(
            tmp_path / str(workers), env_id, episodes=7, steps=20, behaviors=("play", "random"), cameras=CAMERAS,
            size_px=32, randomize=0.5, workers=workers,
        )  # fmt: skip
        stores.append(collect(config))
    assert len({store.digest() for store in stores}) == 1 and len(stores[0]) == 7
