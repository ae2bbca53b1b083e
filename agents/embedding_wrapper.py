"""Any Gymnasium world that renders, seen through an embedding and rewarded by its distance to a goal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from agents.encoders import EmbeddingEncoder
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
    `info["env_reward"]`. Rendered frames and the goal are brought to the embedding's size, their middle squares.
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
        not render so, and for a goal of another dtype or shape.
        """
        super().__init__(env)
        if env.render_mode != "rgb_array":
            raise InputError(f'{env} has render_mode={env.render_mode!r}; allowed is "rgb_array"; make it so')
        self._encoder, self.reward, self.own = EmbeddingEncoder(embedding), reward, own
        frames = np.asarray(goal)
        self._goal_moment = embedding.history.of(self._square(frames[None] if frames.ndim == 3 else frames))[-1:]
        self._moments = Moments(embedding.history)
        others = 0 if own is None else len(own(env.observation_space.sample()))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2 * embedding.seen_dim + others,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """Start an episode, as the world does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._moments.begin()
        moment, goal = self._look(), self._goal_moment
        if self._encoder.history.first:
            goal = goal.copy()
            goal[:, 0] = moment[:, 0]  # the goal of this episode, whatever the picture's began with
        self._now, self._goal = self._encoder.see(moment), self._encoder(goal)
        return self._seen(observation, self._now), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Act, as the world does, for the learned reward."""
        observation, env_reward, terminated, truncated, info = self.env.step(action)
        before, self._now = self._now, self._encoder.see(self._look())
        z, z_next = before[:, : self._encoder.dim], self._now[:, : self._encoder.dim]
        reward = float(self.reward(z, z_next, self._goal)[0])
        info = {**info, "env_reward": float(env_reward)}
        return self._seen(observation, before), reward, terminated, truncated, info

    def _look(self) -> np.ndarray:
        return self._moments.add(self._square(np.asarray(self.env.render())[None])[0])[None]

    def _square(self, frames: np.ndarray) -> np.ndarray:
        return square(frames, self._encoder.size_px)

    def _seen(self, observation: Any, before: np.ndarray) -> np.ndarray:
        others = [] if self.own is None else [self.own(observation)]
        return np.concatenate([self._now[0], self._now[0] - before[0], *others], dtype=np.float32)
