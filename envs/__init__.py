"""Simulated worlds; importing this package registers them with Gymnasium."""

import gymnasium as gym

for _name, _task in (("Reach", "reach"), ("Push", "push"), ("PushVaried", "push_varied"), ("Grasp", "grasp")):
    gym.register(
        f"sslctrl/{_name}-v0",
        entry_point="envs.env:RobotEnv",
        max_episode_steps=50,
        kwargs={"task": _task},
    )
