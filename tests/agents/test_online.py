"""Policy and embedding in turns: what each round begins with, what it keeps, and that a stopped run goes on."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from agents_toys import SIZE_PX

from agents import checkpoint, model_state
from agents.config import TrainAgentConfig
from agents.goals import Imagined
from agents.lesson import lesson_of
from agents.online import gathered, learn_online
from agents.online_config import OnlineConfig
from agents.prior import of_store
from agents.report.config import ReportConfig
from agents.report.write import write_report
from agents.train import train_agent
from agents.worlds import task_of
from sslctrl import durable
from sslctrl.errors import InputError
from sslctrl.fit_config import FitConfig
from sslctrl.imagining import Imagining
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from sslctrl.views import square
from vision.build import ObjectiveSpec, build_objective, load_embedding


@pytest.fixture(scope="module")
def front(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The video to begin with, through one camera."""
    whole, alone = EpisodeStore(recorded / "prior"), tmp_path_factory.mktemp("video") / "front"
    store = EpisodeStore(alone, create=True)
    for id in whole.ids:
        episode = whole.read(id)
        store.add(episode._replace(frames=episode.frames[:1], meta={**episode.meta, "cameras": ["front"]}))
    return alone


def config(recorded: Path, front: Path, run: Path, **changes) -> OnlineConfig:
    agent = TrainAgentConfig(
        run, steps=240, n_envs=2, embedding=recorded / "vae", prior=front, goal_from="imagined", her=True,
        relabel_prior=0.5, relabel_future=0.3, batch_size=16, net=(8,), eval_every=120, eval_episodes=2,
    )  # fmt: skip
    return OnlineConfig(replace(agent, **changes), rounds=2, fit=FitConfig(steps=3, warmup=1, lr=1e-2))


def test_every_round_begins_with_the_last_ones_policy_and_with_an_embedding_trained_on_what_it_saw(
    recorded: Path, front: Path, tmp_path: Path
) -> None:
    last = learn_online(config(recorded, front, tmp_path / "run"))
    rounds = [tmp_path / "run" / f"round-{turn}" for turn in range(2)]
    assert last.parents[1] == tmp_path / "run" / "agent"  # a folder of parts, as a demo's
    told = [checkpoint.load(folder) for folder in (last, rounds[1] / "agent")]
    assert all(torch.equal(*both) for both in zip(*(agent.model.policy.parameters() for agent in told), strict=True))
    seen = EpisodeStore(rounds[0] / "seen")
    assert len(seen) == 2 and seen.cameras == ("front",)  # 120 steps in two worlds: one whole episode each
    frames = seen.read(seen.ids[0]).frames
    assert frames.shape == (1, 51, SIZE_PX, SIZE_PX, 3)
    video, prior = EpisodeStore(rounds[1] / "video"), EpisodeStore(front)
    assert len(video) == len(prior) + len(seen) and video.verify() == []
    before, after = (load_embedding(folder / "agent" / "embedding").state_dict() for folder in rounds)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    curve = [json.loads(line)["step"] for line in (tmp_path / "run" / "agent" / "curve.jsonl").read_text().splitlines()]
    assert curve == [120, 240]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seed"] == 0
    assert "How the embedding learned" in write_report(ReportConfig(tmp_path / "run")).read_text()
    scales = [checkpoint.load(folder / "agent").judge.scale for folder in rounds]
    assert scales[0] == scales[1]  # critics know rewards of that size
    (tmp_path / "run" / "agent" / "report.html").write_text("somebody's")
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.*")}
    assert learn_online(config(recorded, front, tmp_path / "run")) == last
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.*")}
    assert {path.name for path in made if made[path] != now[path]} <= {"config.yaml", "run.json"}
    with pytest.raises(InputError, match="rounds = 2, and is asked to go on with 1"):
        learn_online(replace(config(recorded, front, tmp_path / "run"), rounds=1))


def pursued_in(store: EpisodeStore) -> np.ndarray:
    return np.stack([episode.pursued for id in store.ids if (episode := store.read(id)).pursued is not None])


@pytest.mark.parametrize(
    ("name", "processes"), [("vae", False), ("cc_vae", False), pytest.param("vae", True, marks=pytest.mark.slow)]
)
def test_goals_that_were_pursued_are_kept_as_pictures(
    name: str, processes: bool, recorded: Path, front: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two worlds and three episodes each, the last of which does not end: those that the policy had."""
    had, real = [], Imagined.begin
    monkeypatch.setattr(Imagined, "begin", lambda self, raw: had.append((real(self, raw), raw["pixels"])) or had[-1][0])
    agent = config(recorded, front, tmp_path / "run", embedding=recorded / name, processes=processes).agent
    train_agent(replace(agent, record=tmp_path / "seen"))
    begun = [had[number] for number in (-3, -2)]  # prior video, too, begins with goals: before them
    z, pixels = (np.concatenate(both) for both in zip(*begun, strict=True))
    seen, embedding = EpisodeStore(tmp_path / "seen"), load_embedding(recorded / name)
    assert isinstance(embedding, Imagining)
    first = channels_first(pixels[:, 0] if name == "cc_vae" else pixels)
    wanted = embedding.decode(torch.from_numpy(z), first).movedim(1, -1).numpy()
    assert wanted.shape == (4, SIZE_PX, SIZE_PX, 3) and len(np.unique(wanted, axis=0)) == 4
    kept = pursued_in(seen)
    starts = np.stack([seen.read(id).frames[0, 0] for id in seen.ids])
    looks = pixels[:, -1] if name == "cc_vae" else pixels
    order = [int(np.flatnonzero((starts == look).all((1, 2, 3)))[0]) for look in looks]  # whose episode it was
    np.testing.assert_array_equal(kept[order], wanted)


@pytest.mark.parametrize("size_px", [SIZE_PX, 2 * SIZE_PX])
def test_pursued_goals_are_encoded_anew_beside_video_without_any(
    size_px: int, recorded: Path, front: Path, tmp_path: Path
) -> None:
    """By another embedding, of frames of another size: in every stretch of an episode longer than the horizon."""
    agent = config(recorded, front, tmp_path / "run").agent
    train_agent(replace(agent, record=tmp_path / "seen"))
    both = EpisodeStore(gathered(tmp_path / "both", (front, tmp_path / "seen")))
    later = tmp_path / "later"
    objective = build_objective(ObjectiveSpec("vae", {"size_px": size_px, "dim": 3, "width": 2}, seed=9))
    checkpoint.checkpoint.save(later, KIND, spec_of(objective), objective.state_dict(), {})
    lesson, task = lesson_of(agent, later), task_of(agent.env_id)
    known = of_store(both, lesson, "front", task, 20, agent.her)
    assert lesson.senses.judged is not None
    wanted = lesson.senses.judged.embed_hwc(square(pursued_in(both), size_px))
    for side in (known.before, known.after):
        goals = side["desired_goal"]
        assert len(np.unique(goals[:120], axis=0)) == 6  # two episodes of 60 steps, imagined anew for each stretch
        np.testing.assert_allclose(goals[120:].reshape(4, 50, -1), wanted[:, None].repeat(50, 1), atol=1e-5)


def test_nobody_s_policy_is_replaced_by_a_round_s(recorded: Path, front: Path, tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    with pytest.raises(InputError, match="agent is there already, and is not this run's"):
        learn_online(config(recorded, front, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["agent"]


def test_every_round_builds_on_all_before_and_none_begins_as_another_run_s(
    recorded: Path, front: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[TrainAgentConfig] = []
    fits: list[tuple[Path, int, int]] = []

    def train(agent: TrainAgentConfig) -> Path:
        assert agent.record is not None
        begun.append(agent)
        shutil.copytree(front, agent.record)
        return agent.run / "checkpoint"

    def fit(embedding: Any, store: EpisodeStore, run: Path, config: FitConfig) -> Path:
        fits.append((embedding.path, len(store), config.seed))
        return run

    def opened(path: Path, allow: object) -> SimpleNamespace:
        return SimpleNamespace(path=path, size_px=SIZE_PX, pick=lambda layout, rng: None)

    monkeypatch.setattr("agents.online.train_agent", train)
    monkeypatch.setattr("agents.online.fit", fit)
    monkeypatch.setattr("agents.online.load_embedding", opened)
    monkeypatch.setattr("agents.online._published", lambda run, rounds: run)
    for seed in (0, 1):
        asked = config(recorded, front, tmp_path / str(seed), seed=seed, steps=302)
        learn_online(replace(asked, rounds=3, fit=replace(asked.fit, seed=seed)))
    count, rounds = len(EpisodeStore(front)), [tmp_path / "0" / f"round-{turn}" for turn in range(3)]
    assert [agent.init for agent in begun[:3]] == [None, *(folder / "agent/checkpoint" for folder in rounds[:2])]
    assert [path for path, _, _ in fits[:2]] == [recorded / "vae", rounds[1] / "embedding"]
    assert [agent.embedding for agent in begun[1:3]] == [folder / "embedding" for folder in rounds[1:]]
    assert begun[0].embedding == recorded / "vae"
    assert [agent.steps for agent in begun[:3]] == [100, 101, 101]
    assert [episodes for _, episodes, _ in fits] == [2 * count, 3 * count] * 2
    assert len({agent.seed for agent in begun}) == 6 and len({seed for _, _, seed in fits}) == 4


def test_init_begins_with_all_that_was_learned(recorded: Path, front: Path, tmp_path: Path, monkeypatch) -> None:
    one = config(recorded, front, tmp_path / "one").agent
    first = train_agent(one)
    begun = []
    real = checkpoint.begin_with
    monkeypatch.setattr(checkpoint, "begin_with", lambda path, model: (real(path, model), begun.append(model))[0])

    class Enough(Exception):
        """Training has begun."""

    def stop(*given) -> None:
        raise Enough

    monkeypatch.setattr("agents.train._learn", stop)
    with pytest.raises(Enough):
        train_agent(replace(one, run=tmp_path / "two", init=first, seed=7))
    learned = checkpoint.checkpoint.read(first, checkpoint.KIND).tensors
    ours = model_state.weights_of(begun[0])
    assert all(torch.equal(learned[f"policy/{name}"], value) for name, value in ours.items())
    assert torch.equal(learned["loose/log_ent_coef"], begun[0].log_ent_coef) and begun[0].log_ent_coef.item() != 0


def test_what_cannot_be_is_one_line(recorded: Path, front: Path, tmp_path: Path) -> None:
    for changes in ({"record": tmp_path / "seen"}, {"prior": None}):
        with pytest.raises(InputError, match="allowed are an embedding and video"):
            config(recorded, front, tmp_path, **changes)
    with pytest.raises(InputError, match="the policy's own, front, alone"):
        learn_online(config(recorded, recorded / "prior", tmp_path))
    shown: dict[str, Any] = {"goal_from": "shown", "relabel_prior": 0.0, "embedding": recorded / "embedding"}
    with pytest.raises(InputError, match="cameras are front; allowed are 2 or more"):
        learn_online(config(recorded, front, tmp_path / "run", **shown))
    with pytest.raises(InputError, match="is in the store"):
        learn_online(config(recorded, front, front / "run"))
    assert not (tmp_path / "run").exists() and not (front / "run").exists()
    large, episode = EpisodeStore(tmp_path / "large", create=True), EpisodeStore(front).read("000000")
    large.add(episode._replace(frames=episode.frames.repeat(2, 2).repeat(2, 3)))
    with pytest.raises(InputError, match="large has frames of 32 x 32 px; allowed are the embedding's own, 16 px"):
        learn_online(config(recorded, large.root, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="a round 90 of them; allowed are 100 or more"):
        learn_online(config(recorded, front, tmp_path / "run", steps=180))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match=r"agent\.steps is 1, and rounds 2; allowed is a step a round"):
        config(recorded, front, tmp_path, steps=1)
    with pytest.raises(InputError, match="rounds is 0"):
        replace(config(recorded, front, tmp_path), rounds=0)


def test_gathered_video_is_made_whole_or_not_at_all(recorded: Path, front: Path, tmp_path: Path) -> None:
    aside = tmp_path / f"{durable.ASIDE}video"
    aside.mkdir()
    (aside / "0-half").mkdir()  # as if the process had died
    os.utime(aside, (0, 0))
    store = EpisodeStore(gathered(tmp_path / "video", (recorded / "prior", front)))
    assert len(store) == 4 and not aside.exists()


def test_goals_that_another_camera_saw_are_imagined_anew(recorded: Path, front: Path, tmp_path: Path) -> None:
    agent = config(recorded, front, tmp_path / "run", embedding=recorded / "vae_of_all").agent
    train_agent(replace(agent, record=tmp_path / "seen"))
    seen, (lesson, task) = EpisodeStore(tmp_path / "seen"), (lesson_of(agent, agent.embedding), task_of(agent.env_id))
    assert lesson.senses.judged is not None
    wanted = lesson.senses.judged.embed_hwc(square(pursued_in(seen), SIZE_PX))
    goals = {}
    for camera in ("front", "left"):
        store = EpisodeStore(tmp_path / camera, create=True)
        for episode in map(seen.read, seen.ids):
            store.add(episode._replace(meta={**episode.meta, "camera": camera}))
        known = of_store(store, lesson, "front", task, 50, agent.her)
        goals[camera] = known.before["desired_goal"].reshape(len(wanted), 50, -1)[:, 0]
    np.testing.assert_allclose(goals["front"], wanted, atol=1e-5)
    assert (np.abs(goals["left"] - wanted).max(1) > 1e-3).all()
