"""Push a puck to where one video shows it, as seen by another camera, and that is all the policy is told (TCN).

python scripts/recipes/tcn_push.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts._cli import main


@dataclass(frozen=True)
class Recipe:
    """Record play, learn an embedding from it, imitate one demonstration: about 12 minutes on two cores."""

    run: Path = Path("runs/recipes/tcn")
    """Folder of everything; what is done there is not done again."""
    episodes: int = 60
    """Play to learn from, of 300 steps each."""
    batches: int = 3000
    """For the embedding."""
    steps: int = 15_000
    """Of the policy."""
    starts: int = 100
    """From which the policy has to reach the goal."""
    seed: int = 0
    """Decides scenes, weights and noise."""


def push(recipe: Recipe) -> dict[str, float]:
    """Return the share of starts from which the puck reaches its goal, of the policy and of others; write a report."""
    from agents.config import EvaluateConfig, TrainAgentConfig
    from agents.evaluate import evaluate
    from agents.report.config import ReportConfig
    from agents.report.write import write_report
    from agents.train import train_agent
    from envs.collect import collect
    from envs.collect_config import CollectConfig
    from sslctrl.fit_config import FitConfig
    from vision.train import train
    from vision.train_config import TrainConfig

    video = recipe.run / "video"
    cameras = ("front", "left", "right")
    stores = {
        "train": {"episodes": recipe.episodes, "steps": 300, "seed": recipe.seed},
        "heldout": {"episodes": 20, "variety": "heldout", "seed": 10_000 + recipe.seed},
        "demonstration": {
            "episodes": 1,
            "behaviors": ("expert",),
            "variety": "fixed",
            "goal": (0.5, -0.04),
            "seed": 20_000 + recipe.seed,
        },
    }
    for name, options in stores.items():
        collect(CollectConfig(video / name, cameras=cameras, **options))

    # (0, 1) of the proprioception is where the hand is: two thirds of the loss are about what it does not explain
    options = {"views_per_batch": 3, "body": (0, 1), "body_weight": 0.68, "augment": False, "hue": 0.5}
    settings = FitConfig(recipe.batches, lr=2e-3, seed=recipe.seed)
    embedding = train(
        TrainConfig(
            video / "train", recipe.run / "embedding", "tcn", options, eval_store=video / "heldout", fit=settings
        )
    )

    # the policy sees through the front camera; its reward is the distance to the video's end as the left one saw it
    agent = train_agent(
        TrainAgentConfig(
            recipe.run / "agent", steps=recipe.steps, seed=recipe.seed, camera="front", embedding=embedding,
            demonstration=video / "demonstration", demo_camera="left", prior=video / "train",
        )
    )  # fmt: skip
    exam = EvaluateConfig(
        recipe.run / "evaluation", agent, demonstration=video / "demonstration", episodes=recipe.starts, record=4
    )
    found = evaluate(exam)["policies"]
    print(write_report(ReportConfig(recipe.run)))
    return {name: one["success"]["value"] for name, one in found.items()}


def said(shares: dict[str, float]) -> str:
    """Return one line a policy."""
    return "\n".join(f"{name}: reaches the goal from {share:.0%} of the starts" for name, share in shares.items())


if __name__ == "__main__":
    main(Recipe, push, said)
