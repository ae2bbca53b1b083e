"""Simulated worlds; importing this package registers them with Gymnasium."""

import gymnasium as gym

for _name, _task, _variety in (
    ("Reach", "reach", "fixed"),
    ("Push", "push", "fixed"),
    ("PushVaried", "push_varied", "train"),
    ("Grasp", "grasp", "train"),
):
    gym.register(
        f"sslctrl/{_name}-v0",
        entry_point="envs.env:RobotEnv",
        max_episode_steps=50,  # Task.max_steps, which is not imported here: it would load the physics
        kwargs={"task": _task, "variety": _variety},
    )
