"""A world's memory does not grow with its episodes."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pybullet
import pytest

from envs.env import RobotEnv

WARM_UP, RESETS = 200, 1000
GROWTH_MB = 2.0  # a body loaded in every reset would cost 20 MB and more


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.slow
@pytest.mark.parametrize(("task", "variety"), [("reach", "fixed"), ("push_varied", "train"), ("grasp", "train")])
def test_resident_memory_is_flat_over_a_thousand_resets(task, variety):
    env = RobotEnv(task, variety=variety, randomize=1.0, cameras=("front",))
    action = np.zeros(env.action_space.shape)
    for seed in range(WARM_UP + RESETS):
        if seed == WARM_UP:
            before = resident_mb()
        env.reset(seed=seed)
        if seed % 10 == 0:
            env.step(action)
            env.frames(32)
    assert resident_mb() - before < GROWTH_MB
    env.close()


def test_no_simulator_outlives_its_world():
    gc.collect()  # of other tests' worlds
    before = clients()
    for renderer in ("tiny", "raster"):
        env = RobotEnv("reach", cameras=("front",), renderer=renderer)
        env.reset(seed=0)
        env.frames(16)
        assert clients() > before
        env.close()
        assert clients() == before
    env = RobotEnv("reach", cameras=("front",))
    del env  # nobody closed it
    gc.collect()
    assert clients() == before


def clients():
    """Count the physics clients that are connected."""
    return sum(pybullet.getConnectionInfo(client)["isConnected"] for client in range(64))


def test_closed_worlds_give_their_memory_back():
    before = 0.0
    for i in range(20):
        if i == 5:
            before = resident_mb()
        env = RobotEnv("push", cameras=("front",))
        env.reset(seed=i)
        env.frames(32)
        env.close()
    assert resident_mb() - before < 15 * 0.5  # half a megabyte a world at most
