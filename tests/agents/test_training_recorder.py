"""What a policy saw in training is kept once, also by a run that was killed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from agents_toys import SIZE_PX, tiny

from agents import checkpoint
from agents.recorder import recorder_of
from agents.train import train_agent
from sslctrl.store import EpisodeStore


def test_a_killed_run_keeps_what_it_saw_once(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    config = tiny(recorded, tmp_path / "run", steps=400, checkpoint_every=200, record=tmp_path / "seen")

    class Killed(BaseException):
        """As if by the system: nothing is saved."""

    saved = []

    def save(model, config, lesson, step, training):
        saved.append(step)
        if step >= 400:
            raise Killed
        return real(model, config, lesson, step, training)

    real = checkpoint.save
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", save)
        train_agent(config)
    store = EpisodeStore(tmp_path / "seen")
    assert saved[-1] == 400 and len(store) == 8  # two worlds, 200 steps each, 50 an episode
    train_agent(config)
    again = EpisodeStore(tmp_path / "seen")
    assert len(again) == 8 and again.verify() == []
    assert sorted(again.read(id).meta["begun"] for id in again.ids) == [0] * 4 + [200] * 4


def test_what_others_recorded_stays(recorded: Path, tmp_path: Path) -> None:
    seen = EpisodeStore(tmp_path / "seen", create=True)
    episode = EpisodeStore(recorded / "demo").read(EpisodeStore(recorded / "demo").ids[0])
    config = tiny(recorded, tmp_path / "run", record=tmp_path / "seen", n_envs=2)
    recorder_of(config, SIZE_PX, 0)
    mine = {"run": (tmp_path / "run" / "name").read_text(), "begun": 100}
    metas = [{}, {"run": "another", "begun": 0, "played": 500}, {**mine, "played": 50}, {**mine, "played": 51}]
    ids = [seen.add(episode._replace(meta={**episode.meta, **meta})) for meta in metas]
    recorder_of(config, SIZE_PX, 200)
    assert EpisodeStore(tmp_path / "seen").ids == tuple(sorted(ids[:3]))
    (tmp_path / "run").rename(tmp_path / "old")
    recorder_of(config, SIZE_PX, 0)  # another run, though its folder has the same path
    assert EpisodeStore(tmp_path / "seen").ids == tuple(sorted(ids[:3]))
    recorder_of(replace(config, run=tmp_path / "old"), SIZE_PX, 0)
    assert EpisodeStore(tmp_path / "seen").ids == tuple(sorted(ids[:2]))
    assert recorder_of(replace(config, record=None), SIZE_PX, 0) is None
