"""Speed of the worlds beside panda-gym 3.0.7 (Gallouedec et al. 2021), both in this process.

Theirs: `PandaPush-v3` as it comes; pictures by its own `render` with TinyRenderer, set to 64 x 64 px. Ours: Push. Both
are made by `gymnasium.make`, driven by random actions drawn beforehand, and start again where an episode ends.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable

import gymnasium as gym
import numpy as np

from envs.env import world_of
from scripts.bench._intervals import Figure
from scripts.bench._rounds import Work, cpu_seconds, milliseconds, per_second, ratio
from sslctrl.errors import InputError

SIZE_PX = 64
THREE = ("front", "left", "right")


def image_figures(rounds: int, turns: int, steps: int) -> dict[str, Figure]:
    """One picture a step: theirs with one view; ours with one at their physics and at the default, and with three.

    Three views are at the default physics. ``steps`` control steps of theirs a turn, four times as many of ours.
    """
    theirs = panda_gym()
    ours = {
        "same": push("panda_gym", THREE[:1]),
        "default": push("default", THREE[:1]),
        "three": push("default", THREE),
    }
    works = {"theirs": driven(theirs, steps, theirs.render)}
    works |= {name: driven(env, 4 * steps, pictures(env)) for name, env in ours.items()}
    cost = cpu_seconds(works, rounds, turns)
    _close(theirs, *ours.values())
    return {
        "image_env_vs_panda_gym": ratio(cost["theirs"], cost["same"]),
        "image_env_default_vs_panda_gym": ratio(cost["theirs"], cost["default"]),
        "three_views_vs_panda_gym_one": ratio(cost["theirs"], cost["three"]),
        "panda_gym_image_step_ms": milliseconds(cost["theirs"]),
        "image_step_same_physics_ms": milliseconds(cost["same"]),
        "image_step_ms": milliseconds(cost["default"]),
        "three_views_step_ms": milliseconds(cost["three"]),
        "frames_per_cpu_second": per_second(cost["three"], each=len(THREE)),
    }


def state_figures(rounds: int, turns: int, steps: int) -> dict[str, Figure]:
    """No pictures: control steps with their resets, and resets alone."""
    theirs, same, default = panda_gym(), push("panda_gym", THREE[:1]), push("default", THREE[:1])
    works = {"theirs": driven(theirs, steps), "same": driven(same, steps), "default": driven(default, steps)}
    cost = cpu_seconds(works, rounds, turns)
    restarts = {"theirs": restarted(theirs, steps // 4), "ours": restarted(default, steps // 4)}
    reset = cpu_seconds(restarts, rounds, 1)
    _close(theirs, same, default)
    return {
        "state_env_vs_panda_gym": ratio(cost["theirs"], cost["same"]),
        "panda_gym_state_step_ms": milliseconds(cost["theirs"]),
        "state_step_same_physics_ms": milliseconds(cost["same"]),
        "state_step_ms": milliseconds(cost["default"]),
        "panda_gym_reset_ms": milliseconds(reset["theirs"]),
        "reset_ms": milliseconds(reset["ours"]),
    }


def panda_gym() -> gym.Env:
    """Return their pushing world. Raises InputError where panda-gym is not installed."""
    if importlib.util.find_spec("panda_gym") is None:
        raise InputError("panda-gym is not installed; this bench compares with 3.0.7; pip install -e '.[bench]'")
    import panda_gym  # noqa: F401 - registers their worlds

    return gym.make(
        "PandaPush-v3", render_mode="rgb_array", renderer="Tiny", render_width=SIZE_PX, render_height=SIZE_PX
    )


def push(timing: str, cameras: tuple[str, ...]) -> gym.Env:
    """Return our pushing world."""
    return gym.make("sslctrl/Push-v0", timing=timing, cameras=cameras)


def driven(env: gym.Env, steps: int, look: Callable[[], object] | None = None) -> Work:
    """Return the work of ``steps`` control steps with their resets, each followed by a ``look`` where one is given."""
    shape = env.action_space.shape or ()
    drawn = np.random.default_rng(0).uniform(-1, 1, (1000, *shape)).astype(np.float32)
    actions = itertools.cycle(drawn)
    env.reset(seed=0)

    def work() -> int:
        for _ in range(steps):
            _, _, terminated, truncated, _ = env.step(next(actions))
            if look is not None:
                look()
            if terminated or truncated:
                env.reset()
        return steps

    return work


def restarted(env: gym.Env, times: int) -> Work:
    """Return the work of so many resets."""

    def work() -> int:
        for _ in range(times):
            env.reset()
        return times

    return work


def pictures(env: gym.Env) -> Callable[[], np.ndarray]:
    """Return what draws all views of one of our worlds."""
    world = world_of(env)
    return lambda: world.frames(SIZE_PX)


def _close(*worlds: gym.Env) -> None:
    for world in worlds:
        world.close()
