"""The stages of the demo's bench: each seed's demo, and the same training on other rewards; every one resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.demo import POLICY_CAMERA, agent_config, demo
from agents.demo_config import DemoConfig
from agents.evaluate import evaluate
from agents.train import train_agent
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._figures import Results
from scripts.bench._intervals import Figure
from scripts.bench._jobs import Measured, over_seeds
from sslctrl import checkpoint

HER_STEPS = 30_000
UNITS = {"minutes": "min", "distance_m": "m", "spearman": "rank correlation"}


def measure(config: DemoBenchConfig) -> dict[str, Figure]:
    """Run what is missing, seed by seed, and return all figures of the file. Raises DataError or StorageError."""
    results = Results(config.out, "python scripts/bench/demo.py", config.seeds)
    measured: list[Measured] = []
    for seed in config.seeds:
        measured.append(one_seed(DemoConfig(run=config.runs / f"seed-{seed}", seed=seed)))
        results.record(over_seeds(measured, unit))
    return results.figures


def one_seed(config: DemoConfig) -> Measured:
    """Return one seed's figures by name, the baselines' included."""
    demo(config)
    figures = json.loads((Path(config.run) / "demo.json").read_text())["figures"]
    values = {name: float(figure["value"]) for name, figure in figures.items()}
    for name, training in baselines(config):
        measured = _success_of(config, name, training)
        values |= {f"{name}_{what}": measured[what]["value"] for what in ("success", "distance_m")}
    values["policy_over_oracle"] = values["policy_success"] / max(values["oracle_success"], 1e-9)
    return values


def baselines(config: DemoConfig) -> Iterator[tuple[str, TrainAgentConfig]]:
    """Yield the same training on raw pixels, seen by two cameras and by one, an untrained net and the true state, and
    the oracle of hindsight goals.
    """
    run = Path(config.run)
    embedding = checkpoint.newest(run / "embedding")
    changes: dict[str, dict[str, Any]] = {
        "pixel": {"reward_from": "pixels"},
        "pixel_same_view": {"reward_from": "pixels", "demo_camera": POLICY_CAMERA},
        "random_encoder": {"reward_from": "random"},
        "oracle": {"reward_from": "state", "observe": "state"},
    }
    for name, change in changes.items():
        yield name, replace(agent_config(config, embedding), run=run / name, **change)
    yield (
        "oracle_her",
        TrainAgentConfig(
            run=run / "oracle_her", steps=HER_STEPS, seed=config.seed, her=True, observe="state", reward_from="state"
        ),
    )


def _success_of(config: DemoConfig, name: str, training: TrainAgentConfig) -> dict[str, Any]:
    out = Path(config.run) / name / "evaluation"
    if not (out / "evaluation.json").exists():
        evaluate(
            EvaluateConfig(
                out=out, agent=train_agent(training), policies=("agent",), demonstration=training.demonstration,
                episodes=config.test_episodes,
            )
        )  # fmt: skip
    return json.loads((out / "evaluation.json").read_text())["policies"]["agent"]


def unit(name: str) -> str:
    """Return the unit of a figure."""
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "fraction")
