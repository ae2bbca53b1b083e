"""Simulated worlds; importing this package registers them with Gymnasium: `push_varied` as `sslctrl/PushVaried-v0`."""

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from envs.tasks import TASKS
from sslctrl.errors import InputError, nearest

EPISODE_STEPS = 50
CAMERAS = ("front", "left", "right", "top")
"""Of the rig, those that look on by default."""

for _name in TASKS.names():  # lists files, and imports none: that would load the physics
    gym.register(
        f"sslctrl/{_name.title().replace('_', '')}-v0",
        entry_point="envs.env:RobotEnv",
        max_episode_steps=EPISODE_STEPS,
        kwargs={"task": _name},
    )


def registered(env_id: str) -> EnvSpec:
    """Return a world's entry in Gymnasium. Raises InputError, with the nearest three, for one that is not ours."""
    ours = [name for name in gym.registry if name.startswith("sslctrl/")]
    if env_id not in ours:
        raise InputError(f"world {env_id!r} given; the nearest are {nearest(env_id, ours)}; choose one")
    return gym.registry[env_id]
