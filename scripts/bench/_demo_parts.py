"""The stages of the demo's bench: each seed's demo, and the same training on other rewards; every one resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.config import EvaluateConfig
from agents.demo import POLICY_CAMERA, agent_config, demo, embedding_options, record
from agents.demo_config import DemoConfig
from agents.evaluate import evaluate
from agents.senses import Senses
from agents.train import train_agent
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._figures import Results
from scripts.bench._intervals import Figure
from scripts.bench._jobs import MOVED_BY, Job, Measured, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from sslctrl import checkpoint
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import load_embedding
from vision.untrained import untrained

_STATE: dict[str, Any] = {"reward_from": "state", "observe": "state"}
UNITS = {"minutes": "min", "distance_m": "m", "spearman": "rank correlation", "_over_oracle": "ratio"}
_MADE_BY = embedding_options, agent_config, record, *MOVED_BY, Senses.observation
"""What, beside its settings, makes a demo what it is."""


def measure(config: DemoBenchConfig) -> dict[str, Figure]:
    """Run what is missing, seed by seed, and return all figures of the file. Raises DataError or StorageError."""
    results = Results(config.file, config.command, config.seeds)
    shown, played = [], []
    for seed in config.seeds:
        settings = _of_tier(DemoConfig(seed=seed), config.tier)
        made_from = settings_hash(replace(settings, run=Path(), seed=0), *_MADE_BY)
        run = Path(config.runs) / config.tier.folder("demo") / f"seed-{seed}" / f"demo-{made_from}"
        demo_config = replace(settings, run=run)
        shown.append(Job(run, seed, "demo", show, (demo_config,)))
        for name, changes in BASELINES.items():
            folder = run / f"{name}-{settings_hash(changes, TIMES.get(name), made_from, play)}"
            played.append(Job(folder, seed, name, play, (name, demo_config), shown[-1]))
    demos: list[Measured] = []
    for done in run_jobs(shown, config):  # first, since what is beside them sees their embedding
        demos = [seed["demo"] for seed in done.seeds]
        results.record(over_seeds(demos, unit), done.origin)
    for done in run_jobs(played, config):
        beside = [joined(found, own) for found, own in zip(done.seeds, demos, strict=False)]
        results.record(over_seeds(beside, unit), done.origin)
    return results.figures


def _of_tier(full: DemoConfig, tier: Tier) -> DemoConfig:
    return replace(
        full, video_episodes=tier.learned(full.video_episodes), heldout_episodes=tier.asked(full.heldout_episodes),
        embedding_steps=tier.learned(full.embedding_steps), agent_steps=tier.learned(full.agent_steps),
        test_episodes=tier.asked(full.test_episodes),
    )  # fmt: skip


def show(run: Path, config: DemoConfig) -> Measured:
    """Run the demo and return its figures."""
    demo(config)
    figures = json.loads((run / "demo.json").read_text())["figures"]
    return {name: float(figure["value"]) for name, figure in figures.items()}


BASELINES: dict[str, dict[str, Any]] = {
    "pixel": {"reward_from": "pixels"},
    "pixel_same_view": {"reward_from": "pixels", "demo_camera": POLICY_CAMERA},
    "random_encoder": {},
    "oracle": _STATE,
    "oracle_her": {**_STATE, "her": True, "demonstration": None, "prior": None, "embedding": None},
}
"""What differs from the demo's own training of its policy: rewards of raw pixels, seen by two cameras and by one; an
untrained net, for its eyes and its reward; the true distance; and the same with hindsight goals, for any goal.
"""
TIMES = {"oracle_her": 2}
"""As many steps as the demo's policy."""


def play(run: Path, name: str, config: DemoConfig) -> Measured:
    """Train a policy beside the demo's in a folder of its own, and return how it ends."""
    embedding = checkpoint.newest(Path(config.run) / "embedding")
    if name == "random_encoder":
        embedding = _untrained(embedding, Path(config.run), run / "untrained", config.seed)
    steps = TIMES.get(name, 1) * config.agent_steps
    training = replace(agent_config(config, embedding), run=run / "agent", steps=steps, **BASELINES[name])
    exam = EvaluateConfig(
        run / "evaluation", train_agent(training), ("agent",), demonstration=training.demonstration,
        episodes=config.test_episodes,
    )  # fmt: skip
    found = evaluate(exam)["policies"]["agent"]
    return {what: float(found[what]["value"]) for what in ("success", "distance_m")}


def _untrained(embedding: Path, demo_run: Path, path: Path, seed: int) -> Path:
    """Save the embedding of a checkpoint with random weights, and return its folder."""
    net = untrained(load_embedding(embedding), EpisodeStore(demo_run / "video" / "train"), seed)
    checkpoint.save(path, KIND, spec_of(net), net.state_dict(), {})
    return path


def joined(found: dict[str, Measured], own: Measured) -> Measured:
    """Return one seed's figures of the trainings beside a demo, and of the demo beside them, by name."""
    values = {f"{name}_{what}": value for name, one in found.items() for what, value in one.items()}
    return values | {"policy_over_oracle": own["policy_success"] / max(values["oracle_success"], 1e-9)}


def unit(name: str) -> str:
    """Return the unit of a figure."""
    if name.startswith("probe_"):
        return "R^2"
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "fraction")
