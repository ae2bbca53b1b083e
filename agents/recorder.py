"""Episodes of a policy as video: all cameras, into an episode store."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.config import TrainAgentConfig
from agents.worlds import variety_in
from envs.env import world_of
from envs.recording import episode_of
from sslctrl import durable
from sslctrl.run import write_atomically
from sslctrl.store import EpisodeStore


class Recorder(gym.Wrapper):
    """Adds every episode that is played to its end to a store; ``about`` goes into each one's meta, and `played`: how
    many control steps this world has taken.
    """

    def __init__(self, env: gym.Env, store: EpisodeStore, size_px: int, about: dict[str, Any]) -> None:
        """Wrap one of this package's worlds. Raises InputError for another one."""
        super().__init__(env)
        self.world, self.store, self.size_px, self.about = world_of(env), store, size_px, about
        self._played = 0
        self._pursued: np.ndarray | None = None
        self._frames: list[np.ndarray] = []
        self._states: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._rewards: list[float] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict]:
        """Start an episode, as the world does."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._frames, self._states, self._actions, self._rewards, self._pursued = [], [], [], [], None
        self._look()
        return observation, info

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict]:
        """Act for one control step, as the world does; where it ends the episode, the episode is stored."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._played += 1
        self._actions.append(np.asarray(action, np.float32))
        self._rewards.append(float(reward))
        self._look()
        if terminated or truncated:
            about = self.about | {"success": bool(info["is_success"]), "played": self._played}
            recorded = self._frames, self._states, self._actions, self._rewards
            self.store.add(episode_of(self.world, *recorded, about, pursued=self._pursued))
        return observation, reward, terminated, truncated, info

    def pursue(self, picture: np.ndarray) -> None:
        """Note the picture of the goal of the episode that has begun, uint8 (H, W, 3)."""
        self._pursued = picture

    def _look(self) -> None:
        self._frames.append(self.world.frames(self.size_px))
        self._states.append(self.world.state)


def recorder_of(config: TrainAgentConfig, size_px: int | None, begun: int) -> Callable[[gym.Env], gym.Env] | None:
    """Return what records the episodes that a policy is trained in, from its step `begun` on, where its config asks for
    that.

    size_px: side of the frames; None: 64. What this run recorded of later steps, which are played again, is deleted.
    Raises StorageError where the disk refuses.
    """
    if config.record is None:
        return None
    root, run = Path(config.record), _name_of(Path(config.run))
    store = EpisodeStore(root, create=True)  # now, and not in every world's process at once
    for id in store.ids:
        meta = store.read(id).meta
        if meta.get("run") == run and meta["begun"] + config.n_envs * meta["played"] > begun:
            try:
                shutil.rmtree((root / id).rename(root / f"{durable.ASIDE}{id}"))
            except OSError as error:
                raise durable.storage_error(error, root) from error
    variety = variety_in(config.env_id, config.variety)
    about = {"env_id": config.env_id, "variety": variety, "policy": "learner", "seed": config.seed}
    about |= {"run": run, "begun": begun, "versions": {}}
    return lambda env: Recorder(env, EpisodeStore(root), size_px or 64, about)


def _name_of(run: Path) -> str:
    """Return a run's own name, drawn once and kept in its folder: another may begin at the same path."""
    path = run / "name"
    if not path.exists():
        durable.make_folder(run)
        write_atomically(path, uuid.uuid4().hex)
    return path.read_text()
