"""Worlds whose every moment is known, and runs that take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.config import TrainAgentConfig
from sslctrl.errors import SslctrlError
from sslctrl.history import History

SIZE_PX = 16


class Counter(gym.Env):
    """Counts its own steps: frame, state and goal of every moment are known by hand. Episodes last ``limit`` steps."""

    def __init__(self, index: int, limit: int) -> None:
        self.index, self.limit, self.step_ = index, limit, 0
        box = gym.spaces.Box(-100, 100, (2,), np.float32)
        self.observation_space = gym.spaces.Dict(
            proprio=box, state=gym.spaces.Box(-100, 100, (3,), np.float32), achieved_goal=box, desired_goal=box,
            time=gym.spaces.Box(0, 1, (1,), np.float32), pixels=gym.spaces.Box(0, 255, (SIZE_PX, SIZE_PX, 3), np.uint8),
        )  # fmt: skip
        self.action_space = gym.spaces.Box(-1, 1, (2,), np.float32)

    def moment(self, step: int) -> dict[str, np.ndarray]:
        """What is seen at a step."""
        here = np.array([self.index, step], np.float32)
        return {
            "proprio": here,
            "state": np.array([self.index, step, -step], np.float32),
            "achieved_goal": here,
            "desired_goal": np.array([1, 2], np.float32),
            "time": np.array([step / self.limit], np.float32),
            "pixels": np.full((SIZE_PX, SIZE_PX, 3), 10 * self.index + step, np.uint8),
        }

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.step_ = 0
        return self.moment(0), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.step_ += 1
        over = self.step_ == self.limit
        info: dict[str, Any] = {"is_success": over, "distance_m": float(self.step_)}
        return self.moment(self.step_), 7.0 * self.step_, False, over, info


class Sum:
    """An encoder that can be checked by hand: (mean pixel, 1). Remembers how many frames each call had."""

    size_px, dim, seen_dim, history = SIZE_PX, 2, 2, History()

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        self.calls.append(len(frames))
        return np.stack([frames.mean(axis=(1, 2, 3)), np.ones(len(frames))], axis=1).astype(np.float32)

    observe_hwc = embed_hwc


def counters(limits: tuple[int, ...] = (3, 4)) -> DummyVecEnv:
    """Worlds whose episodes end at different times."""
    return DummyVecEnv([lambda i=i, n=n: Counter(i, n) for i, n in enumerate(limits)])


def tiny(recorded: Path, run: Path, **changes: Any) -> TrainAgentConfig:
    """A run that takes seconds."""
    values: dict[str, Any] = {
        "run": run, "steps": 300, "n_envs": 2, "embedding": recorded / "embedding", "demonstration": recorded / "demo",
        "prior": recorded / "prior", "net": (16,), "batch_size": 16, "eval_every": 0, "warmup": 100,
    }  # fmt: skip
    return TrainAgentConfig(**{**values, **changes})


def one_line(error: pytest.ExceptionInfo[SslctrlError], code: int) -> str:
    """What a refusal says, which is one line and ends a command with a code."""
    assert error.value.exit_code == code and "\n" not in str(error.value)
    return str(error.value)
