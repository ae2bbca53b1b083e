"""The main job, in miniature: every stage runs, a second call goes on, and the page is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents import demo as module
from agents.demo import demo
from agents.demo_config import DemoConfig
from sslctrl.errors import InputError


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError, match="agent_steps is 0; allowed is 1 or more"):
        DemoConfig(agent_steps=0)


def test_minutes_are_those_of_attempts_that_were_stopped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 600.0, 1000.0, 1060.0, 1060.0, 5000.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt), module._minutes(tmp_path):
        raise KeyboardInterrupt
    with module._minutes(tmp_path) as minutes:
        assert minutes() == 11
        assert json.loads((tmp_path / "seconds.json").read_text()) == 660  # should it be killed from here on
        (tmp_path / "demo.json").touch()
    with module._minutes(tmp_path) as minutes:
        assert minutes() == 11


@pytest.mark.slow
def test_demo_runs_and_goes_on(tmp_path: Path) -> None:
    config = DemoConfig(
        run=tmp_path / "demo",
        video_episodes=3,
        video_steps=60,
        heldout_episodes=2,
        embedding_steps=20,
        agent_steps=300,
        test_episodes=4,
        workers=1,
    )
    page = demo(config)
    figures = json.loads((config.run / "demo.json").read_text())["figures"]
    assert figures["expert_success"]["value"] >= 0.5  # the demonstration's goal is the one that is evaluated
    assert 0 <= figures["policy_success"]["value"] <= 1
    assert figures["tcn_alignment_error"]["value"] > figures["alignment_floor"]["value"]
    assert figures["pixel_same_view_spearman"]["value"] > figures["pixel_spearman"]["value"]  # pixels know one view
    assert "<video" in page.read_text()
    weights = sorted((config.run / "embedding" / "checkpoints").rglob("weights.safetensors"))
    before = [path.read_bytes() for path in weights]
    assert demo(config) == page
    assert [path.read_bytes() for path in weights] == before  # what was finished is not trained again
