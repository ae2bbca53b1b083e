"""Stable-Baselines3's algorithms as they are built here, and what a stop leaves of their rollouts."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from agents_toys import tiny
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from agents import algorithms, checkpoint, train
from agents.algorithms import build_model
from agents.train import train_agent
from sslctrl.errors import Interrupted

SPACES = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32), gym.spaces.Box(-1, 1, (2,), np.float32)


@pytest.mark.parametrize("n_envs", [1, 2, 3, 16, 300])
def test_a_rollout_is_whole_batches(n_envs: int, tmp_path: Path) -> None:
    config = tiny(tmp_path, tmp_path, algorithm="ppo", batch_size=256, steps=5000)
    worlds = DummyVecEnv([lambda: algorithms._Nowhere(*SPACES)] * n_envs)
    for model in (build_model(config, SPACES, worlds), build_model(config, SPACES, None)):
        assert isinstance(model, PPO) and model.n_steps * model.n_envs % 256 == 0
    assert build_model(config, SPACES, worlds).n_steps * n_envs >= 1536  # type: ignore[attr-defined]


def test_any_seed_that_a_config_takes_is_taken(tmp_path: Path) -> None:
    worlds = DummyVecEnv([lambda: algorithms._Nowhere(*SPACES)])
    assert build_model(tiny(tmp_path, tmp_path, seed=2**40 + 3), SPACES, worlds).seed == 3


@pytest.mark.parametrize(("asked", "kept", "end"), [(150, 128, 320), (310, 320, 320)])
def test_ppo_stops_where_a_rollout_began(
    asked: int, kept: int, end: int, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(recorded, tmp_path, algorithm="ppo")  # 300 steps
    learned: list[int] = []
    learn, on_step = PPO.train, train.Watch._on_step

    def stop(watch: train.Watch) -> bool:
        if watch.num_timesteps == asked:
            watch.stop.set()
        return on_step(watch)

    monkeypatch.setattr(algorithms, "ROLLOUT", 64)
    monkeypatch.setattr(PPO, "train", lambda model: learned.append(model.num_timesteps) or learn(model))
    monkeypatch.setattr(train.Watch, "_on_step", stop)
    said = f"stopped at step {kept} of 300" if kept < config.steps else "stopped after the last step"
    with pytest.raises(Interrupted, match=said):
        train_agent(config)
    assert checkpoint.last_step(tmp_path) == (tmp_path / f"checkpoints/step-{kept:08d}", kept)
    monkeypatch.setattr(train.Watch, "_on_step", on_step)
    assert train_agent(config).name == f"step-{end:08d}"
    assert learned == [64, 128, 192, 256, 320]


def test_ppo_is_measured_as_it_learned(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algorithms, "ROLLOUT", 64)
    train_agent(tiny(recorded, tmp_path, algorithm="ppo", eval_every=100, eval_episodes=2))
    steps = [json.loads(line)["step"] for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert steps == [128, 256, 320]  # where a rollout ended, all of it learned


def test_a_measurement_that_a_stop_came_before_is_made_up_for(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(recorded, tmp_path, steps=120, eval_every=40, eval_episodes=2)
    on_step = train.Watch._on_step

    def stop(watch: train.Watch) -> bool:
        if watch.num_timesteps == 80:
            watch.stop.set()
        return on_step(watch)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(train.Watch, "_on_step", stop)
        train_agent(config)
    train_agent(config)
    curve = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert [line.split(",")[0] for line in curve] == ['{"step": 40', '{"step": 80', '{"step": 120']
