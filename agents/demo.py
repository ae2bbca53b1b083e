"""The main job, start to end: video, embedding, policy, evaluation, report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.demo_config import DemoConfig
from agents.evaluate import evaluate, interval
from agents.report.config import ReportConfig
from agents.report.latent import reward_spearman
from agents.report.write import write_report
from agents.train import train_agent
from envs.collect import CollectConfig, collect
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.fit_config import FitConfig
from sslctrl.run import CONFIG, write_atomically
from sslctrl.store import EpisodeStore
from vision.build import load_embedding
from vision.train import train
from vision.train_config import TrainConfig

CAMERAS = ("front", "left", "right")
POLICY_CAMERA, DEMONSTRATION_CAMERA = "front", "left"
GOAL_M = (0.50, -0.04)  # where the demonstration brings the puck
HELDOUT_SEED, DEMONSTRATION_SEED = 10_000, 20_000


def demo(config: DemoConfig) -> Path:
    """Run every stage that is not finished, write ``demo.json`` and return the report's page.

    Raises InputError where the folder is another run's, StorageError where it cannot be written, and Interrupted after
    Ctrl-C; then the same call goes on.
    """
    if (config.run / CONFIG).exists():
        raise InputError(f"{config.run} is a training's run; allowed is a new folder, or a demo's; give another")
    with _minutes(Path(config.run)) as minutes:
        return _demo(config, minutes)


def _demo(config: DemoConfig, minutes: Callable[[], float]) -> Path:
    run = Path(config.run)
    record(config)
    minutes()
    checkpoint = train(embedding_config(config))
    minutes()
    embedding = load_embedding(checkpoint)
    agent = train_agent(agent_config(config, checkpoint))
    minutes()
    evaluation = evaluate(
        EvaluateConfig(
            out=run / "evaluation",
            agent=agent,
            demonstration=run / "video" / "demonstration",
            episodes=config.test_episodes,
            record=4,
        )
    )
    measured = figures(config, embedding, evaluation)
    measured["minutes"] = _alone(minutes(), 1)
    about = {"figures": measured, "cameras": {"policy": POLICY_CAMERA, "demonstration": DEMONSTRATION_CAMERA}}
    write_atomically(run / "demo.json", json.dumps(about, indent=2) + "\n")
    return write_report(ReportConfig(run=run))


def record(config: DemoConfig) -> None:
    """Record the three stores under ``video/``: train, heldout (other colours), demonstration."""
    video = Path(config.run) / "video"
    common = {"cameras": CAMERAS, "workers": config.workers}
    plays = {
        "train": (config.video_episodes, config.video_steps, "train", config.seed),
        "heldout": (config.heldout_episodes, None, "heldout", HELDOUT_SEED + config.seed),
    }
    for name, (episodes, steps, variety, seed) in plays.items():
        collect(CollectConfig(video / name, episodes=episodes, steps=steps, variety=variety, seed=seed, **common))
    collect(
        CollectConfig(
            video / "demonstration",
            episodes=1,
            behaviors=("expert",),
            variety="fixed",
            goal=GOAL_M,
            seed=DEMONSTRATION_SEED + config.seed,
            **common,
        )
    )


def embedding_config(config: DemoConfig) -> TrainConfig:
    """The multi-view TCN."""
    video = Path(config.run) / "video"
    return TrainConfig(
        store=video / "train",
        run=Path(config.run) / "embedding",
        name="tcn",
        options=embedding_options(),
        eval_store=video / "heldout",
        fit=FitConfig(steps=config.embedding_steps, lr=2e-3, seed=config.seed),
    )


def embedding_options() -> dict[str, Any]:
    """What the TCN of pushing is built with; the first two columns of the proprioception are the hand's position."""
    return {"views_per_batch": 3, "body": (0, 1), "body_weight": 0.68, "augment": False, "hue": 0.5}


def agent_config(config: DemoConfig, embedding: Path) -> TrainAgentConfig:
    """SAC on the embedding's distance to the demonstration's end."""
    video = Path(config.run) / "video"
    return TrainAgentConfig(
        run=Path(config.run) / "agent",
        steps=config.agent_steps,
        seed=config.seed,
        camera=POLICY_CAMERA,
        embedding=embedding,
        demonstration=video / "demonstration",
        demo_camera=DEMONSTRATION_CAMERA,
        prior=video / "train",
    )


def figures(config: DemoConfig, embedding: Embedding, evaluation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Everything measured: alignment, reward against progress, success."""
    run = Path(config.run)
    metrics = json.loads((run / "embedding" / "metrics.json").read_text())
    names = {"tcn_alignment_error": "alignment_error"} | {name: name for name in metrics if name != "alignment_error"}
    found = {ours: _alone(metrics[theirs], config.heldout_episodes) for ours, theirs in names.items()}
    found |= reward_figures(embedding, run / "video")
    for who, measured in evaluation["policies"].items():
        name = "policy" if who == "agent" else who
        found[f"{name}_success"] = measured["success"]
        found[f"{name}_distance_m"] = measured["distance_m"]
    return found


def reward_figures(embedding: Embedding, video: Path) -> dict[str, dict[str, Any]]:
    """Spearman between reward and minus true distance to the demonstration's end, on held-out video: the learned
    reward's and raw pixels', both between two cameras, and that of raw pixels which see both from one.
    """
    goals, store = EpisodeStore(video / "demonstration"), EpisodeStore(video / "heldout")
    found = reward_spearman(embedding, store, POLICY_CAMERA, goals.read(goals.ids[0]), DEMONSTRATION_CAMERA)
    return {f"{name}_spearman": interval(values, 0, np.median) for name, values in found.items() if values}


def _alone(value: float, n: int) -> dict[str, Any]:
    """Return a figure whose interval is not known."""
    return {"value": value, "n": n}


@contextmanager
def _minutes(run: Path) -> Iterator[Callable[[], float]]:
    """Yield what tells the minutes of work so far and notes them in a file, which those of attempts that were stopped,
    or killed after their last stage that was noted, are from. What comes after the first whole run does not count.
    """
    path, began, finished = run / "seconds.json", time.monotonic(), (run / "demo.json").exists()
    before = json.loads(path.read_text()) if path.exists() else 0.0

    def minutes() -> float:
        seconds = before if finished else before + time.monotonic() - began
        write_atomically(path, json.dumps(seconds))
        return seconds / 60

    try:
        yield minutes
    finally:
        if run.is_dir():
            minutes()
