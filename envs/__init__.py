"""Simulated worlds; importing this package registers them with Gymnasium: `push_varied` as `sslctrl/PushVaried-v0`."""

import gymnasium as gym

from envs.tasks import TASKS

EPISODE_STEPS = 50

for _name in TASKS.names():  # lists files, and imports none: that would load the physics
    gym.register(
        f"sslctrl/{_name.title().replace('_', '')}-v0",
        entry_point="envs.env:RobotEnv",
        max_episode_steps=EPISODE_STEPS,
        kwargs={"task": _name},
    )
