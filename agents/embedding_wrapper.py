"""Any Gymnasium world that renders, seen through an embedding and rewarded by its distance to a goal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from agents.judge import Judge
from envs.env import RobotEnv
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.history import Moments
from sslctrl.rewards.base import Reward
from sslctrl.rewards.latent_distance import LatentDistance
from sslctrl.views import square


class EmbeddingWrapper(gym.Wrapper):
    """Observations: the embedding of what the world renders, with the context that it may be conditioned on, how both
    changed since the step before, and whatever `own` makes of the world's own observation: float32 (2 seen_dim + N,).

    The reward is the learned one, of coming from one moment to the next, towards the goal; the world's own stays in
    `info["env_reward"]`. Rendered frames and the goal are brought to the embedding's size, their middle squares. An
    episode that the world terminates is truncated, and `info["env_terminated"]` says so: distances are paid for as long
    as it lasts, and its end would be a reward.
    """

    def __init__(
        self,
        env: gym.Env,
        embedding: Embedding,
        goal: np.ndarray,
        reward: Reward = LatentDistance(),  # noqa: B008 - it has no state
        own: Callable[[Any], np.ndarray] | None = None,
    ) -> None:
        """Wrap a world made with `render_mode="rgb_array"`.

        goal: uint8, a picture (H, W, 3), or the video of a demonstration (T, H, W, 3), whose end is the goal. own: what
        the policy sees of an observation besides, as the robot's joints: (N,). Raises InputError for a world that does
        not render so or shows several cameras, for what is no embedding or reward, a goal of another dtype or shape,
        and an `own` that returns something else; while it acts, for rewards that are not finite.
        """
        super().__init__(env)
        if env.render_mode != "rgb_array":
            raise InputError(f'{env} has render_mode={env.render_mode!r}; allowed is "rgb_array"; make it so')
        if isinstance(env.unwrapped, RobotEnv) and len(env.unwrapped.cameras) > 1:
            names = ", ".join(env.unwrapped.cameras)
            raise InputError(f"{env} renders cameras {names} side by side; allowed is one; make it with cameras=[one]")
        if not isinstance(embedding, Embedding) or not callable(reward):
            raise InputError(
                f"embedding is a {type(embedding).__name__}, reward a {type(reward).__name__}; allowed are what "
                "load_embedding opens, and an object such as LatentDistance(); give these"
            )
        frames = np.asarray(goal)
        frames = frames[None] if frames.ndim == 3 else frames
        if not frames.size:
            raise InputError(
                f"the goal is {frames.shape}; allowed are a picture, or a video of one frame or more; give one"
            )
        others = np.empty(0) if own is None else np.asarray(own(env.observation_space.sample()))
        if others.ndim != 1:
            raise InputError(f"own returns {others.shape}; allowed is (N,); flatten it")
        self.embedding, self.reward, self.own = embedding, Judge(reward), own
        self._goal_moment = embedding.history.of(square(frames, embedding.size_px))[-1:].copy()
        self._moments = Moments(embedding.history)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2 * embedding.seen_dim + len(others),), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode, as the world does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._moments.begin()
        moment, goal = self._look(), self._goal_moment
        if self.embedding.history.first:
            goal = goal.copy()
            goal[:, 0] = moment[:, 0]  # the goal of this episode, whatever the picture's began with
        self._seen, self._goal = self.embedding.observe_hwc(moment), self.embedding.embed_hwc(goal)
        return self._observation(observation, self._seen), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Act, as the world does, for the learned reward."""
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        before, self._seen = self._seen, self.embedding.observe_hwc(self._look())
        z, z_next = (seen[:, : self.embedding.dim] for seen in (before, self._seen))
        reward = float(self.reward(z, z_next, self._goal)[0])
        info = {**info, "env_reward": float(env_reward), "env_terminated": terminated}
        return self._observation(observation, before), reward, False, terminated or truncated, info

    def _look(self) -> np.ndarray:
        frame = self.env.render()
        if not isinstance(frame, np.ndarray):
            raise InputError(
                f"{self.env} rendered a {type(frame).__name__}; allowed is a picture, uint8 (H, W, 3); mend it"
            )
        return self._moments.add(square(frame[None], self.embedding.size_px)[0])[None]

    def _observation(self, observation: Any, before: np.ndarray) -> np.ndarray:
        others = [] if self.own is None else [self.own(observation)]
        return np.concatenate([self._seen[0], self._seen[0] - before[0], *others], dtype=np.float32)
