"""Stable-Baselines3's algorithms by name, built from a config."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from agents.config import OFF_POLICY, TrainAgentConfig
from agents.relabel import RelabellingBuffer
from agents.standardize import Standardize, width_of
from sslctrl.errors import InputError

EXPLORATION = 0.1  # TD3's action noise (Fujimoto et al. 2018, section 6.1)
ROLLOUT = 2048  # PPO's steps between updates, over all worlds (Schulman et al. 2017, table 3)


def build_model(
    config: TrainAgentConfig,
    spaces: tuple[gym.Space, gym.Space],
    env: VecEnv | None,
    capacity: int = 1,
    mean: np.ndarray | None = None,
    std: np.ndarray | None = None,
) -> BaseAlgorithm:
    """Build an untrained model for (observation, action) spaces.

    Without an environment it only acts, once its weights are loaded, and seeds nothing. ``mean`` and ``std`` (I,)
    standardise its inputs; ``capacity`` is the replay buffer's, in transitions.
    """
    observed, acted = spaces
    if config.algorithm in OFF_POLICY:
        cls, settings = _off_policy_class(config.algorithm), _off_policy(config, acted, capacity, env is not None)
    else:
        cls, settings = PPO, _ppo(config, 1 if env is None else env.num_envs)
    width = width_of(observed)
    settings["policy_kwargs"] |= {
        "net_arch": list(config.net),
        "features_extractor_class": Standardize,
        "features_extractor_kwargs": {
            "mean": [0.0] * width if mean is None else mean.tolist(),
            "std": [1.0] * width if std is None else std.tolist(),
        },
    }
    policy = "MultiInputPolicy" if isinstance(observed, gym.spaces.Dict) else "MlpPolicy"
    return cls(
        policy, env or DummyVecEnv([lambda: _Nowhere(*spaces)]), learning_rate=config.lr, gamma=config.gamma,
        batch_size=config.batch_size, seed=None if env is None else config.seed % 2**32, device=config.device,
        **settings,
    )  # fmt: skip


class _Nowhere(gym.Env):
    """A world of given spaces in which nothing can be done: SB3 builds no model without one."""

    def __init__(self, observed: gym.Space, acted: gym.Space) -> None:
        self.observation_space, self.action_space = observed, acted


def _off_policy_class(name: str) -> type[OffPolicyAlgorithm]:
    if name != "tqc":
        return {"sac": SAC, "td3": TD3}[name]
    try:
        from sb3_contrib import TQC  # optional
    except ImportError as error:
        raise InputError("algorithm 'tqc' needs sb3-contrib; pip install sb3-contrib, or choose sac or td3") from error
    return TQC


def _off_policy(config: TrainAgentConfig, action: gym.Space, capacity: int, trains: bool) -> dict[str, Any]:
    size = action.shape[0] if action.shape else 1
    noise = {"action_noise": NormalActionNoise(np.zeros(size), np.full(size, EXPLORATION))}
    shares = {"prior": config.relabel_prior, "future": config.relabel_future}
    relabel = {"replay_buffer_class": RelabellingBuffer, "replay_buffer_kwargs": shares}
    return {
        "buffer_size": capacity,
        "learning_starts": 0,  # the buffer is filled beforehand, from video or by random steps
        "train_freq": 1,
        "gradient_steps": -1,  # as many as control steps
        "policy_kwargs": {"optimizer_kwargs": {"fused": True}},
        **(relabel if config.her and trains else {}),
        **(noise if config.algorithm == "td3" else {}),
    }


def _ppo(config: TrainAgentConfig, n_envs: int) -> dict[str, Any]:
    rollout = max(config.batch_size, min(ROLLOUT, config.steps))
    whole = config.batch_size // math.gcd(config.batch_size, n_envs)  # the fewest steps that make whole batches
    n_steps = max(1, rollout // n_envs // whole) * whole
    return {"n_steps": n_steps, "policy_kwargs": {"optimizer_kwargs": {"fused": True, "eps": 1e-5}}}
