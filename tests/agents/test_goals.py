"""Where imagined goals are drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from agents_toys import SIZE_PX, tiny

from agents.config import EvaluateConfig
from agents.evaluate import evaluate
from agents.goals import Imagined
from agents.lesson import lesson_of
from agents.train import train_agent
from envs.collect import collect
from envs.collect_config import CollectConfig
from sslctrl.errors import InputError
from sslctrl.fit import FitConfig, fit
from sslctrl.imagining import Imagining
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective

IMAGINED = {"goal_from": "imagined", "demonstration": None, "her": True, "steps": 40}


@pytest.fixture(scope="module")
def two_cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Video of two cameras."""
    folder = tmp_path_factory.mktemp("two") / "video"
    collect(CollectConfig(folder, episodes=3, steps=12, cameras=("front", "left"), size_px=32, workers=1))
    return folder


def vae(folder: Path, video: Path, **options: Any) -> Path:
    """A VAE that knows next to nothing."""
    store = EpisodeStore(video)
    objective = build_objective(ObjectiveSpec("vae", {"dim": 2, "size_px": 32, **options}, seed=1))
    return fit(objective, store, folder, FitConfig(steps=2, warmup=0, device="cpu", progress=False))


def test_goals_of_an_embedding_of_several_cameras_are_drawn_from_what_the_policy_sees(
    two_cameras: Path, tmp_path: Path
) -> None:
    checkpoint = vae(tmp_path / "vae", two_cameras)
    store = EpisodeStore(two_cameras)
    goals = lesson_of(tiny(tmp_path, tmp_path / "run", embedding=checkpoint, **IMAGINED), checkpoint).goals
    assert isinstance(goals, Imagined) and isinstance(goals.embedding, Imagining)
    means = {}
    for camera, frames in zip(("front", "left"), np.stack([store.read(id).frames for id in store.ids], 1), strict=True):
        means[camera] = np.concatenate([goals.embedding.embed_video(one) for one in frames]).mean(0)
        goals.look_through(camera, store, 0)
        prior = goals.embedding.goals
        away = (prior.weight @ prior.mean - torch.from_numpy(means[camera])).abs().max()
        assert away < 0.2 * np.abs(means[camera] - means["front"]).max() + 1e-3  # of random frames
    assert np.abs(means["front"] - means["left"]).max() > 1e-3


def test_goals_that_other_cameras_may_see_are_not_imagined(two_cameras: Path, tmp_path: Path) -> None:
    checkpoint = vae(tmp_path / "vae", two_cameras)
    with pytest.raises(InputError, match="imagines what any of its cameras may see; allowed is one that learned from"):
        train_agent(tiny(tmp_path, tmp_path / "run", embedding=checkpoint, prior=None, **IMAGINED | {"steps": 200}))


def test_training_looks_through_the_policys_camera(
    two_cameras: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        Imagined, "look_through", lambda _, camera, store, seed: seen.append(f"{camera} {store.root.name} {seed}")
    )
    checkpoint = vae(tmp_path / "vae", two_cameras)
    train_agent(tiny(tmp_path, tmp_path / "run", embedding=checkpoint, prior=two_cameras, **IMAGINED))
    assert seen == ["front video 0"]


def test_another_camera_than_the_embeddings_is_refused(two_cameras: Path, tmp_path: Path) -> None:
    checkpoint = vae(tmp_path / "vae", two_cameras, camera="left")
    for given in (IMAGINED, IMAGINED | {"goal_from": "shown"}):
        with pytest.raises(InputError, match=r"camera 'left' alone, and camera is 'front'.* give camera=left"):
            train_agent(tiny(tmp_path, tmp_path / "run", embedding=checkpoint, prior=two_cameras, **given))


def test_a_demonstration_from_another_camera_than_the_embeddings_is_refused(recorded: Path, tmp_path: Path) -> None:
    checkpoint = vae(tmp_path / "vae", recorded / "prior", camera="front", size_px=SIZE_PX)
    with pytest.raises(InputError, match=r"camera 'front' alone, and demo_camera is 'left'.* give demo_camera=front"):
        train_agent(tiny(recorded, tmp_path / "run", embedding=checkpoint))


def test_what_rewards_no_embedding_may_see_the_demonstration_from_anywhere(recorded: Path, tmp_path: Path) -> None:
    checkpoint = vae(tmp_path / "vae", recorded / "prior", camera="front", size_px=SIZE_PX)
    for source in ("pixels", "state"):
        config = tiny(recorded, tmp_path / "run", embedding=checkpoint, reward_from=source)
        assert lesson_of(config, checkpoint).senses.observer is not None


def test_an_embedding_of_each_episodes_first_frame_takes_no_goal_from_another_episode(
    recorded: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="a demonstration's is another's; allowed is goal_from=imagined or shown"):
        train_agent(tiny(recorded, tmp_path / "run", embedding=recorded / "cc_vae", demo_camera="front"))


@pytest.mark.parametrize(
    ("observed", "rewarded"), [("embedding", "embedding"), ("embedding", "state"), ("state", "state")]
)
def test_films_of_a_policy_keep_the_picture_that_it_was_shown(
    observed: str, rewarded: str, two_cameras: Path, tmp_path: Path
) -> None:
    """None where goals are true states, not pictures."""
    given: dict[str, Any] = {**IMAGINED, "goal_from": "shown", "observe": observed, "reward_from": rewarded}
    embedding = vae(tmp_path / "vae", two_cameras) if observed == "embedding" else None
    path = train_agent(tiny(tmp_path, tmp_path / "run", embedding=embedding, prior=two_cameras, **given))
    evaluate(EvaluateConfig(tmp_path / "out", agent=path, policies=("agent",), episodes=1, record=2, record_px=48))
    films = EpisodeStore(tmp_path / "out" / "agent")
    for seed, film in enumerate(map(films.read, films.ids), start=1_000_000):
        world = gym.make("sslctrl/Push-v0", cameras=("front",))
        wanted = world.reset(seed=seed, options={"goal_px": 32})[1]["goal_frames"][0]
        if rewarded == "state":
            assert film.pursued is None
        else:
            np.testing.assert_array_equal(film.pursued, wanted)
