"""The demo's bench, end to end and tiny: what is beside the demo, and that what is done is not done again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agents.checkpoint import sha256_of
from agents.config import TrainAgentConfig
from scripts.bench import _demo_parts
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._figures import load
from sslctrl import checkpoint
from sslctrl import config as configs


@pytest.mark.slow
def test_what_is_beside_the_demo_is_trained_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = {"video_episodes": 2, "video_steps": 50, "heldout_episodes": 2, "embedding_steps": 5, "agent_steps": 120}
    monkeypatch.setattr(_demo_parts, "_of_tier", lambda full, tier: replace(full, **tiny, test_episodes=4))
    monkeypatch.setitem(_demo_parts.TIMES, "oracle_her", 10)  # learns from its 1,000th step on
    config = DemoBenchConfig(out=tmp_path / "demo.json", runs=tmp_path / "runs", seeds=(1,))
    figures = _demo_parts.measure(config)
    assert {f"{name}_success" for name in (*_demo_parts.BASELINES, "policy", "expert")} <= set(figures)
    (run,) = (tmp_path / "runs" / "demo" / "seed-1").iterdir()
    of = {name: next(run.glob(f"{name}-*")) / "agent" for name in _demo_parts.BASELINES}
    asked = {name: configs.load(TrainAgentConfig, agent / "config.yaml") for name, agent in of.items()}
    assert [asked[name].demo_camera for name in ("pixel", "pixel_same_view")] == ["left", "front"]
    learned = sha256_of(checkpoint.newest(run / "embedding"))
    assert sha256_of(of["pixel"] / "embedding") == learned != sha256_of(of["random_encoder"] / "embedding")
    written = load(config.file)["figures"]
    monkeypatch.setattr(_demo_parts, "demo", None)
    monkeypatch.setattr(_demo_parts, "train_agent", None)
    _demo_parts.measure(config)
    assert load(config.file)["figures"] == written
