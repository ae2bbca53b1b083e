"""Training, its checkpoints, and what it refuses."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agents_toys import SIZE_PX, one_line, tiny
from stable_baselines3.common.vec_env import DummyVecEnv

from agents import checkpoint, train
from agents.config import ALGORITHMS, OFF_POLICY, EvaluateConfig, TrainAgentConfig
from agents.evaluate import evaluate
from agents.goals import Imagined, Shown, Targets
from agents.lesson import lesson_of
from agents.model_state import training_of, weights_of
from agents.report import sections
from agents.train import train_agent
from agents.worlds import maker, vector_of
from envs.collect import CollectConfig, record_episode
from sslctrl.errors import CheckpointError, DataError, InputError, Interrupted, SslctrlError
from sslctrl.rng import torch_rng
from sslctrl.store import EpisodeStore


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "sac"])
def test_every_algorithm_trains(algorithm: str, recorded: Path, tmp_path: Path) -> None:
    agent = checkpoint.load(train_agent(tiny(recorded, tmp_path, algorithm=algorithm)))
    weights = weights_of(agent.model)
    assert all(torch.isfinite(value).all() for value in weights.values())
    means = [value for name, value in weights.items() if name.endswith("features_extractor.mean")]
    assert means and all(torch.equal(mean, means[0]) and mean.abs().max() > 0 for mean in means)


@pytest.mark.parametrize(
    "changes",
    [
        {"her": True},
        {"her": True, "observe": "state", "reward_from": "state", "prior": None, "demonstration": None},
        {"goal_from": "steps"},
        {"reward_from": "pixels"},
        pytest.param({"processes": True}, marks=pytest.mark.slow),
        {"reward_from": "state"},
    ],
    ids=["hindsight on latents", "oracle", "step by step", "pixels", "worlds in processes", "true distance"],
)
def test_every_source_of_reward_trains(changes: dict[str, Any], recorded: Path, tmp_path: Path) -> None:
    agent = checkpoint.load(train_agent(tiny(recorded, tmp_path, steps=160, **changes)))
    assert agent.config.reward_from == changes.get("reward_from", "embedding")
    assert isinstance(agent.goals, Targets) == (agent.config.reward_from != "state")


def test_no_two_trainings_begin_alike_nor_as_an_exam(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    begun: list[set[int]] = []
    real = DummyVecEnv.reset

    def reset(worlds: DummyVecEnv) -> Any:
        begun.append({seed for seed in worlds._seeds if seed is not None})
        return real(worlds)

    monkeypatch.setattr(DummyVecEnv, "reset", reset)
    for seed in (0, 1):
        train_agent(tiny(recorded, tmp_path / str(seed), steps=8, seed=seed, n_envs=4))
    one, other = (seeds for seeds in begun if seeds)
    assert len(one | other) == 8 and min(one | other) > 2**32  # exams begin at 500,000 and a million


def test_moments_of_several_frames_train_and_are_evaluated(recorded: Path, tmp_path: Path) -> None:
    agent = train_agent(tiny(recorded, tmp_path / "run", embedding=recorded / "motion"))
    out = evaluate(EvaluateConfig(tmp_path / "out", agent=agent, policies=("agent",), episodes=2))
    assert out["policies"]["agent"]["success"]["n"] == 2


RIG: dict[str, Any] = {"goal_from": "imagined", "her": True, "relabel_prior": 0.5, "relabel_future": 0.3}
SHOWN: dict[str, Any] = {"goal_from": "shown", "her": True, "reward_from": "state", "observe": "state"}


@pytest.mark.parametrize(
    ("embedding", "changes", "size"),
    [
        ("vae", RIG, 3),
        ("cc_vae", RIG, 3),
        ("vae", {**RIG, "goal_from": "shown", "relabel_prior": 0}, 3),
        ("vae", {**SHOWN, "reward_from": "pixels", "observe": "embedding"}, 16 * 16 * 3),
        ("vae", SHOWN, 4),
    ],
    ids=["RIG", "CC-RIG", "goals shown", "pixels", "oracle of hand and puck"],
)
@pytest.mark.parametrize("prior", [None, "prior"])
def test_goals_that_vary_train_and_are_evaluated_on_pictures(
    embedding: str, changes: dict[str, Any], size: int, prior: str | None, recorded: Path, tmp_path: Path
) -> None:
    given = {"embedding": recorded / embedding, "prior": prior and recorded / prior, "demonstration": None, **changes}
    path = train_agent(tiny(recorded, tmp_path / "run", steps=220, eval_every=110, eval_episodes=2, **given))
    assert len((tmp_path / "run" / "curve.jsonl").read_text().splitlines()) == 2
    out = evaluate(EvaluateConfig(tmp_path / "out", agent=path, policies=("agent",), episodes=2, record=1))
    assert out["goal_m"] is None and out["policies"]["agent"]["distance_m"]["n"] == 2
    agent = checkpoint.load(path)
    assert isinstance(agent.goals, Shown)
    assert agent.model.observation_space["desired_goal"].shape == (size,)  # type: ignore[index]


def test_the_first_goals_imagined_are_those_of_seed_and_step(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    config = tiny(recorded, tmp_path, steps=8, n_envs=1, embedding=recorded / "vae", demonstration=None, **RIG)
    goals = lesson_of(config, config.embedding).goals
    assert isinstance(goals, Imagined)
    goals.look_through(config.camera, EpisodeStore(recorded / "prior"), config.seed)
    sow, begin, drawn = train._sow, Imagined.begin, []
    monkeypatch.setattr(train, "_sow", lambda *given: drawn.clear() or sow(*given))  # video has drawn some
    monkeypatch.setattr(Imagined, "begin", lambda goals, raw: drawn.append(begin(goals, raw)) or drawn[-1])
    step_on = train.Watch._on_step

    def stop_after_one(watch: train.Watch) -> bool:
        if watch.num_timesteps == watch.saved + 2:
            watch.stop.set()
        return step_on(watch)

    monkeypatch.setattr(train.Watch, "_on_step", stop_after_one)
    for step in (0, 1):
        with pytest.raises(Interrupted, match=f"stopped at step {step + 1} of 8"):
            train_agent(config)
        assert np.allclose(drawn[0], goals.embedding.goals.sample(1, torch_rng(config.seed, step)))


def test_the_curve_holds_true_success_and_distance(trained: Path) -> None:
    curve = [json.loads(line) for line in (trained / "curve.jsonl").read_text().splitlines()]
    measured = [f"{name}{end}" for name in ("distance_m", "return", "success") for end in ("", "_low", "_high")]
    assert [set(one) for one in curve] == [{"step", *measured}] * 2
    assert all(0 < one["distance_m_low"] <= one["distance_m"] <= one["distance_m_high"] < 0.5 for one in curve)
    assert [one["step"] for one in curve] == [150, 300] and list((trained / "tb").iterdir())
    assert all("opacity: 0.15" in str(sections._curve(curve, name, name, name)) for name in ("success", "return"))


def test_a_checkpoint_acts_as_the_model_did_bit_for_bit(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    made = []
    build = train.build_model
    monkeypatch.setattr(train, "build_model", lambda *given: made.append(build(*given)) or made[-1])
    path = train_agent(tiny(recorded, tmp_path, steps=120))

    def refuse(*given: object, **named: object) -> None:
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    agent = checkpoint.load(path)
    looks = np.random.default_rng(0).normal(size=(32, *made[0].observation_space.shape)).astype(np.float32)
    assert np.array_equal(
        agent.model.predict(looks, deterministic=True)[0], made[0].predict(looks, deterministic=True)[0]
    )
    assert sorted(file.suffix for file in path.iterdir()) == [".json", ".safetensors"]


def test_an_agent_of_a_gpu_acts_without_one(trained: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(trained, tmp_path / "run")
    file = next((tmp_path / "run" / "checkpoints").iterdir()) / "checkpoint.json"
    about = json.loads(file.read_text())
    about["spec"]["config"]["device"] = "cuda"
    file.write_text(json.dumps({name: value for name, value in about.items() if name != "digest"}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checkpoint.load(tmp_path / "run").config.device == "cpu"


def test_a_run_folder_may_move(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(trained, tmp_path / "moved")
    assert checkpoint.load(tmp_path / "moved").senses.observer is not None
    monkeypatch.chdir(tmp_path / "moved" / "checkpoints")
    assert checkpoint.load(Path("step-00000300")).senses.observer is not None


@pytest.mark.parametrize("her", [False, True])
def test_a_stopped_run_goes_on_with_all_that_it_had(her: bool, recorded: Path, tmp_path: Path, monkeypatch) -> None:
    config = tiny(recorded, tmp_path, steps=160, her=her)
    step = train.Watch._on_step

    def stop_at_80(watch: train.Watch) -> bool:
        if watch.num_timesteps >= 80:
            watch.stop.set()
        return step(watch)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="stopped at step 78 of 160") as stopped:
        patch.setattr(train.Watch, "_on_step", stop_at_80)
        train_agent(config)
    assert stopped.value.exit_code == 6
    found = checkpoint.last_step(tmp_path)
    assert found is not None and found[1] == 78
    saved = checkpoint.checkpoint.read(found[0], checkpoint.KIND, training=True)
    seen: dict[str, Any] = {}
    resume = checkpoint.resume

    def look(path: Path, model: Any) -> dict[str, Any]:
        extra = resume(path, model)
        seen.update(training_of(model)[0], **{f"policy/{k}": v.clone() for k, v in weights_of(model).items()})
        seen.update({k: v.clone() for k, v in seen.items()})
        return extra

    monkeypatch.setattr(checkpoint, "resume", look)
    assert train_agent(config).name == "step-00000160"
    ours = {**saved.training, **{k: v for k, v in saved.tensors.items() if k.startswith("policy/")}}
    closed = {"buffer/dones", "buffer/timeouts", "buffer/ep_length", "buffer/begun"}  # episodes end where they were
    assert seen.keys() == ours.keys()
    assert [name for name in ours if not torch.equal(ours[name], seen[name]) and name not in closed] == []
    assert len(ours["buffer/rewards"]) == 60 + 39  # prior and steps
    assert torch.equal(seen["buffer/dones"], seen["buffer/timeouts"])  # nothing is terminal
    assert bool(seen["buffer/dones"][-1].all()) == her  # episodes are cut only where goals are theirs
    scales = [checkpoint.load(folder).judge.scale for folder in (found[0], tmp_path)]
    assert scales[0] == scales[1] == saved.extra["reward_scale"] != 1.0
    assert ours["buffer/rewards"][:60].abs().mean() == pytest.approx(1.0, rel=1e-4)  # the prior's, scaled


def test_a_finished_run_is_left_alone(trained: Path, recorded: Path) -> None:
    before = (trained / "curve.jsonl").stat().st_mtime_ns
    assert train_agent(tiny(recorded, trained, eval_every=150, eval_episodes=2)).name == "step-00000300"
    assert (trained / "curve.jsonl").stat().st_mtime_ns == before


def test_a_run_does_not_go_on_to_another_goal(recorded: Path, tmp_path: Path) -> None:
    store, run = tmp_path / "demo", tmp_path / "run"
    for seed in (5, 9):
        config = CollectConfig(store, behaviors=("expert",), variety="fixed", size_px=SIZE_PX, seed=seed)
        shutil.rmtree(store, ignore_errors=True)
        EpisodeStore(store, create=True).add(record_episode(config, 0))
        if seed == 5:
            train_agent(tiny(recorded, run, steps=8, demonstration=store))
    with pytest.raises(InputError, match="allowed is the one that the run began with"):
        train_agent(tiny(recorded, run, steps=8, demonstration=store))


def test_a_run_does_not_go_on_from_other_pictures_of_its_goal(recorded: Path, tmp_path: Path) -> None:
    config = tiny(recorded, tmp_path / "run", steps=8)
    first = train_agent(config)
    shutil.copytree(recorded / "demo", tmp_path / "moved")
    assert train_agent(replace(config, demonstration=tmp_path / "moved")) == first
    shown = EpisodeStore(recorded / "demo")
    episode = shown.read(shown.ids[0])
    EpisodeStore(tmp_path / "turned", create=True).add(episode._replace(frames=episode.frames[:, :, ::-1]))
    with pytest.raises(InputError, match="from a demonstration that looks otherwise; allowed is the one"):
        train_agent(replace(config, demonstration=tmp_path / "turned"))
    steps = tiny(recorded, tmp_path / "steps", steps=8, goal_from="steps")
    train_agent(steps)
    later = {name: getattr(episode, name)[9:] for name in ("state", "proprio", "action", "reward")}
    cut = episode._replace(frames=episode.frames[:, 9:], **later, meta={"cameras": [*shown.cameras], "success": True})
    EpisodeStore(tmp_path / "cut", create=True).add(cut)
    with pytest.raises(InputError, match="from a demonstration that looks otherwise; allowed is the one"):
        train_agent(replace(steps, demonstration=tmp_path / "cut"))


def test_a_world_that_cannot_be_built_is_one_line(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    def ended(*_: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(train, "_worlds", ended)
    with pytest.raises(Interrupted, match=r"a world's process has ended.*run the same to go on") as caught:
        train_agent(tiny(recorded, tmp_path))
    assert one_line(caught, 6)


def test_a_world_s_process_that_ends_is_one_line(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    def ended(*_: Any) -> None:
        raise EOFError

    monkeypatch.setattr(train, "_learn", ended)
    monkeypatch.setattr(DummyVecEnv, "close", ended)  # as of worlds that were about to answer
    with pytest.raises(Interrupted, match=r"a world's process has ended.*run the same to go on") as caught:
        train_agent(tiny(recorded, tmp_path))
    assert one_line(caught, 6)


@pytest.mark.slow
def test_what_a_group_of_processes_is_sent_does_not_reach_worlds() -> None:
    worlds = vector_of([maker("sslctrl/Push-v0", "fixed", None, None, None)], processes=True)
    try:
        worlds.reset()
        assert os.getpgid(worlds.processes[0].pid) not in (0, os.getpgrp())
        worlds.step(np.zeros((1, 2), np.float32))
    finally:
        worlds.close()


def test_a_demonstration_of_another_size_is_resized(recorded: Path, tmp_path: Path) -> None:
    for name, size_px in (("big", 2 * SIZE_PX), ("same", SIZE_PX)):
        config = CollectConfig(tmp_path / name, behaviors=("expert",), size_px=size_px, steps=2)
        EpisodeStore(tmp_path / name, create=True).add(record_episode(config, 0))
    same, big = (
        lesson_of(tiny(recorded, tmp_path / "run", demonstration=tmp_path / name), recorded / "embedding").goals
        for name in ("same", "big")
    )
    assert isinstance(same, Targets) and isinstance(big, Targets)
    a, b = same.targets, big.targets
    assert np.linalg.norm(b - a) < 0.5 * np.linalg.norm(a) and not np.array_equal(a, b)


def test_a_prior_without_episodes_is_one_line(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        train_agent(tiny(recorded, tmp_path / "run", prior=tmp_path / "empty"))
    assert "holds no episode" in one_line(error, 3)


def test_a_demonstration_that_is_not_there_is_one_line(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        train_agent(tiny(recorded, tmp_path / "run", demonstration=tmp_path / "none"))
    assert "none" in one_line(error, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as error:
        train_agent(tiny(recorded, tmp_path / "run", demonstration=tmp_path / "empty"))
    assert "holds no demonstration" in one_line(error, 3)


def test_checkpoints_of_another_kind_are_one_line(trained: Path, recorded: Path, tmp_path: Path) -> None:
    agent = next((trained / "checkpoints").iterdir())
    with pytest.raises(CheckpointError) as error:
        train_agent(tiny(recorded, tmp_path / "run", embedding=agent))
    assert "kind 'agent'" in one_line(error, 4)
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(recorded / "embedding")
    assert "kind 'objective'" in one_line(error, 4)


def test_opening_an_agent_imports_nothing_it_names_and_asks_for_all_of_it_at_once(
    trained: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    names = {next((run / "checkpoints").iterdir()): "antigravity:Reward", run / "embedding": "antigravity:Fly"}
    for folder, name in names.items():
        about = json.loads((folder / "checkpoint.json").read_text())
        spec = about["spec"]
        spec.get("config", spec)["reward" if "config" in spec else "name"] = name
        own = {key: value for key, value in about.items() if key != "digest"}
        (folder / "checkpoint.json").write_text(json.dumps(own))
        with pytest.raises(SslctrlError, match="allow") as error:
            checkpoint.load(run)
    assert all(name in one_line(error, 2) for name in names.values()) and "antigravity" not in sys.modules
    with pytest.raises(InputError, match="'antigravity:Fly' is"):
        checkpoint.load(run, ["antigravity:Reward"])


@pytest.mark.parametrize("part", ["weights.safetensors", "checkpoint.json"])
def test_a_damaged_agent_is_one_line(part: str, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    file = next((tmp_path / "run" / "checkpoints").iterdir()) / part
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(tmp_path / "run")
    one_line(error, 4)


def test_the_config_is_imported_without_torch() -> None:
    code = "import agents.config, sys; assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(OFF_POLICY) < set(ALGORITHMS) and TrainAgentConfig.__doc__
