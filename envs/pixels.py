"""A world seen through one camera: what a learner needs of every moment, as one dictionary of arrays."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.env import BOUND, world_of
from sslctrl.errors import InputError, check_among, check_least
from sslctrl.history import History, Moments


class PixelObservation(gym.Wrapper, gym.utils.RecordConstructorArgs):
    """Observations: ``pixels`` uint8 (H, W, 3) of one camera, if one is named, or (n, H, W, 3), oldest first, where the
    ``history`` is of n frames; float32 ``proprio`` (P,), ``state`` (S,), ``time`` (1,) from 0 at the start to 1 at the
    world's limit, ``achieved_goal`` and ``desired_goal`` (G,). With ``show_goal`` the scene in which the goal is
    reached, too: ``goal_state`` (S,) and, where a camera is named, ``goal_pixels`` (H, W, 3).

    State and goals are for rewards and oracles; a policy that learns from video looks at the others only.
    """

    def __init__(
        self,
        env: gym.Env,
        camera: str | None,
        size_px: int = 64,
        history: History = History(),  # noqa: B008 - an immutable tuple
        show_goal: bool = False,
    ) -> None:
        """Wrap one of this package's worlds. Raises InputError for another one and for an unknown camera."""
        gym.utils.RecordConstructorArgs.__init__(
            self, camera=camera, size_px=size_px, history=history, show_goal=show_goal
        )
        super().__init__(env)
        world, limit = world_of(env), env.spec.max_episode_steps if env.spec else None
        if limit is None:
            raise InputError(f"{env} has no limit of steps; allowed is what gymnasium.make('sslctrl/...') makes")
        if camera is not None:
            check_among(world.cameras, camera=camera)
        history = History(*history)  # a plain tuple, as a spec from JSON has it, too
        check_least(1, frames=history.frames, stride=history.stride)
        self.world, self.camera, self.size_px, self.limit = world, camera, size_px, limit
        self._moments, self._step = Moments(history), 0
        self._goal_scene: dict[str, np.ndarray] | None = {} if show_goal else None
        sizes = {"proprio": world.task.proprio_size, "state": len(world.task.state_names)}
        sizes |= {"achieved_goal": world.task.goal_size, "desired_goal": world.task.goal_size}
        if show_goal:
            sizes["goal_state"] = sizes["state"]
        spaces: dict[str, gym.Space] = {
            name: gym.spaces.Box(-BOUND, BOUND, (size,), np.float32) for name, size in sizes.items()
        }
        spaces["time"] = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        if camera is not None and show_goal:
            spaces["goal_pixels"] = gym.spaces.Box(0, 255, (size_px, size_px, 3), np.uint8)
        if camera is not None:
            spaces["pixels"] = gym.spaces.Box(0, 255, (*history.moment, size_px, size_px, 3), np.uint8)
        self.observation_space = gym.spaces.Dict(spaces)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Start an episode, as the world does."""
        if self._goal_scene is not None:
            options = {**(options or {}), "goal_px": self.size_px if self.camera else 0}
        observation, info = self.env.reset(seed=seed, options=options)
        if self._goal_scene is not None:
            self._goal_scene = {"goal_state": info.pop("goal_state").astype(np.float32)}
            if self.camera is not None:
                self._goal_scene["goal_pixels"] = info.pop("goal_frames")[self.world.cameras.index(self.camera)]
        self._step = 0
        self._moments.begin()
        return self._observe(observation), info

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:  # type: ignore[override]
        """Act for one control step, as the world does."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._step += 1
        return self._observe(observation), float(reward), terminated, truncated, info

    def _observe(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen = {
            "proprio": self.world.proprio.astype(np.float32),
            "state": observation["observation"].astype(np.float32),
            "achieved_goal": observation["achieved_goal"].astype(np.float32),
            "desired_goal": observation["desired_goal"].astype(np.float32),
            "time": np.array([self._step / self.limit], np.float32),
        }
        if self.camera is not None:
            seen["pixels"] = self._moments.add(self.world.render_views(self.size_px)[self.camera])
        return seen | {name: shown.copy() for name, shown in (self._goal_scene or {}).items()}
