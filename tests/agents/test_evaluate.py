"""What policies are measured on, and that films show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from agents_toys import SIZE_PX

from agents import wrapper
from agents.checkpoint import load, sha256_of
from agents.config import EvaluateConfig
from agents.evaluate import evaluate, interval, share, world_for
from envs.collect import CollectConfig, record_episode
from sslctrl.checkpoint import newest
from sslctrl.errors import CheckpointError, DataError, InputError
from sslctrl.store import EpisodeStore


def test_every_start_is_played_as_if_it_were_the_only_one(trained: Path, tmp_path: Path) -> None:
    who = ("agent", "random", "expert")
    three, last = (
        evaluate(EvaluateConfig(tmp_path / name, agent=trained, episodes=n, seed=seed, policies=who))
        for name, n, seed in (("three", 3, 5), ("last", 1, 7))
    )
    each = {name: [found["policies"][name]["each"] for name in who] for name, found in (("3", three), ("1", last))}
    assert [one["distance_m"][-1:] for one in each["3"]] == [one["distance_m"] for one in each["1"]]
    assert three["policies"]["expert"]["success"] == share([True] * 3)
    assert json.loads((tmp_path / "three" / "evaluation.json").read_text()) == three
    assert three["agent"]["sha256"] == sha256_of(newest(trained)) and three["start"]["versions"]["torch"]


def test_an_agent_is_not_measured_on_a_goal_that_it_cannot_know(trained: Path, recorded: Path, tmp_path: Path) -> None:
    other = EpisodeStore(tmp_path / "other", create=True)
    other.add(
        record_episode(CollectConfig(tmp_path, behaviors=("expert",), variety="fixed", size_px=SIZE_PX, seed=9), 0)
    )
    config = EvaluateConfig(tmp_path / "out", agent=trained, episodes=1, policies=("agent",))
    with pytest.raises(InputError, match="allowed is a demonstration that ends there"):
        evaluate(replace(config, demonstration=other.root))
    own = evaluate(replace(config, demonstration=recorded / "demo"))
    assert own["policies"] == evaluate(replace(config, out=tmp_path / "again"))["policies"]


def test_what_was_measured_before_stays_and_of_something_else_is_refused(trained: Path, tmp_path: Path) -> None:
    config = EvaluateConfig(tmp_path, agent=trained, episodes=2, policies=("agent",))
    alone = evaluate(config)
    both = evaluate(replace(config, policies=("do_nothing",)))
    assert list(both["policies"]) == ["agent", "do_nothing"]
    assert both["policies"]["agent"] == alone["policies"]["agent"] and both["agent"] == alone["agent"]
    text = (tmp_path / "evaluation.json").read_text()
    for changes in ({"episodes": 3}, {"seed": 1}, {"orbit_rad": 0.1}, {"camera": "left"}):
        ((name, value),) = changes.items()
        with pytest.raises(InputError, match=f"is of {name} .*, asked for is {value}; give another folder"):
            evaluate(replace(config, **changes))
    assert (tmp_path / "evaluation.json").read_text() == text
    (tmp_path / "evaluation.json").write_text("{}")
    with pytest.raises(DataError, match="is no evaluation"):
        evaluate(config)


def test_what_was_measured_is_kept_when_it_is_stopped(trained: Path, tmp_path: Path, monkeypatch) -> None:
    def stopped(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("agents.evaluate._record", stopped)
    with pytest.raises(KeyboardInterrupt):
        evaluate(EvaluateConfig(tmp_path, agent=trained, episodes=1, record=1, policies=("agent", "random")))
    assert list(json.loads((tmp_path / "evaluation.json").read_text())["policies"]) == ["agent"]


def test_films_show_a_camera_that_was_held_out_too(trained: Path, tmp_path: Path) -> None:
    evaluate(EvaluateConfig(tmp_path, agent=trained, camera="corner", episodes=1, record=1, policies=("agent",)))
    assert EpisodeStore(tmp_path / "agent").cameras == ("front", "left", "right", "top", "corner")


def test_a_policy_is_measured_where_the_world_looks_otherwise(trained: Path, tmp_path: Path) -> None:
    who = ("agent", "expert")
    config = EvaluateConfig(tmp_path / "own", agent=trained, episodes=2, policies=who)
    own = evaluate(config)
    assert (own["env_id"], own["variety"], own["camera"]) == ("sslctrl/Push-v0", "fixed", "front")  # the agent's
    for changes in ({"randomize": 1.0}, {"orbit_rad": 0.6}, {"camera": "left"}, {"variety": "heldout"}):
        other = evaluate(replace(config, out=tmp_path / next(iter(changes)), **changes))
        assert {**other, **changes, "policies": own["policies"], "start": own["start"]} == {**own, **changes}
        agent, expert = (other["policies"][name]["each"] for name in who)
        if "variety" not in changes:  # the same starts, though the first is drawn twice
            assert expert == own["policies"]["expert"]["each"]
        assert agent["distance_m"] != own["policies"]["agent"]["each"]["distance_m"]
    agent = load(trained)
    for camera, played in (("", "own"), ("left", "camera")):
        world = world_for(agent, camera=camera)
        world.seed(config.seed)
        seen, over = world.reset(), False
        picture = world.render()
        assert picture is not None and picture.dtype == np.uint8 and picture.ndim == 3
        while not over:
            seen, _, (over,), (info,) = world.step(agent.model.predict(seen, deterministic=True)[0])
        found = json.loads((tmp_path / played / "evaluation.json").read_text())["policies"]["agent"]["each"]
        assert info["distance_m"] == found["distance_m"][0]
        world.close()
    with pytest.raises(InputError, match="camera behind given; choose one or more of front"):
        evaluate(replace(config, out=tmp_path / "behind", camera="behind"))
    config = replace(config, out=tmp_path / "else")
    with pytest.raises(InputError, match="the agent acts in sslctrl/Push-v0, asked for is sslctrl/Reach-v0"):
        evaluate(replace(config, env_id="sslctrl/Reach-v0"))
    with pytest.raises(InputError, match="camera is 'left', and no agent is given"):
        evaluate(replace(config, agent=None, policies=("expert",), camera="left"))
    with pytest.raises(InputError, match="randomize 2"):
        evaluate(replace(config, randomize=2.0))


def test_an_agent_that_learned_to_see_something_else_is_one_line(trained: Path, tmp_path: Path, monkeypatch) -> None:
    wider = gym.spaces.Box(-np.inf, np.inf, (99,), np.float32)
    monkeypatch.setattr(wrapper, "policy_space", lambda *given: wider)
    with pytest.raises(CheckpointError, match=r"would be shown Box.*\(99,\).*; train it again"):
        evaluate(EvaluateConfig(tmp_path / "out", agent=trained, episodes=1, policies=("agent",)))


@pytest.mark.parametrize("looks", [{}, {"randomize": 0.3, "orbit_rad": 0.2}])
def test_recorded_rollouts_are_what_was_measured(looks: dict[str, float], trained: Path, tmp_path: Path) -> None:
    who = ("agent", "random")
    config = EvaluateConfig(tmp_path, agent=trained, episodes=2, record=2, record_px=24, policies=who, **looks)
    measured = evaluate(config)["policies"]
    for name in who:
        store, found = EpisodeStore(tmp_path / name), measured[name]["each"]
        for id, distance, success in zip(store.ids, found["distance_m"], found["success"], strict=True):
            episode = store.read(id)
            assert episode.frames.shape == (4, 51, 24, 24, 3)
            assert episode.reward[-1] == np.float32(-distance) and episode.meta["success"] == success
    store, found = EpisodeStore(tmp_path / "agent"), measured["agent"]["each"]
    before = store.digest()
    for changes, says in (
        ({"seed": 7}, "seed 1000000, asked for is 7"),
        ({"seed": 7, "record": 0}, "seed 1000000, asked for is 7"),
        ({"record_px": 32}, "size_px 24"),
    ):
        with pytest.raises(InputError, match=says):
            evaluate(replace(config, **changes))
    evaluate(replace(config, record=0, record_px=128))  # no film is asked for, and those there are of the same
    assert store.digest() == before and evaluate(config)["policies"]["agent"]["each"] == found


def test_the_interval_holds_the_mean_and_narrows() -> None:
    few, many = (interval([0.0, 1.0] * n, seed=0) for n in (5, 500))
    assert few["value"] == many["value"] == 0.5
    assert 0.1 < few["low"] < 0.35 < 0.45 < many["low"] < 0.5 < many["high"] < 0.55 < 0.65 < few["high"] < 0.9


def test_the_interval_of_a_share_is_as_wide_as_few_starts_make_it() -> None:
    none, all_ = share([False] * 4), share([True] * 4)
    assert (none["value"], none["low"], all_["value"], all_["high"]) == (0, 0, 1, 1)
    assert none["high"] == pytest.approx(1.96**2 / (4 + 1.96**2), rel=1e-3) == 1 - all_["low"]  # Wilson's, by hand
    assert 0 < share([True] * 4000)["value"] - share([True] * 4000)["low"] < 0.001
