"""The demo over seeds, and beside each the same training on other rewards: writes results/demo.json.

Every stage of every seed resumes, so that an interrupted bench goes on; the file is rewritten after each seed.
"""

from __future__ import annotations

import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.demo import agent_config, demo
from agents.demo_config import DemoConfig
from agents.evaluate import evaluate
from agents.train import train_agent
from scripts.bench._figures import Results
from scripts.bench._intervals import Figure, from_seeds

HER_STEPS = 30_000
UNITS = {"minutes": "min", "distance_m": "m", "spearman": "rank correlation"}


@dataclass(frozen=True)
class BenchConfig:
    """Which seeds, and where to write."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the demo."""
    runs: Path = Path("runs/bench-demo")
    """Folder of the runs, one a seed; what is finished there is not run again."""
    out: Path = Path("results/demo.json")
    """The file of figures."""


def main(config: BenchConfig) -> None:
    """Run what is missing, seed by seed, and write the figures of the finished seeds."""
    results = Results(config.out, "python scripts/bench/demo.py", config.seeds)
    measured: list[dict[str, float]] = []
    for seed in config.seeds:
        measured.append(one_seed(DemoConfig(run=config.runs / f"seed-{seed}", seed=seed)))
        results.record(over_seeds(measured))


def one_seed(config: DemoConfig) -> dict[str, float]:
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
    """Yield the same training on raw pixels, an untrained net and the true state, and the oracle of hindsight goals."""
    run = Path(config.run)
    embedding = sorted((run / "embedding" / "checkpoints").glob("step-*"))[-1]
    changes: dict[str, dict[str, Any]] = {
        "pixel": {"reward_from": "pixels"},
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


def over_seeds(measured: list[dict[str, float]]) -> dict[str, Figure]:
    """Return each figure's median over the seeds with its bootstrap interval."""
    return {name: from_seeds([one[name] for one in measured], _unit(name)) for name in measured[0]}


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


def _unit(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "fraction")


if __name__ == "__main__":
    main(tyro.cli(BenchConfig))
