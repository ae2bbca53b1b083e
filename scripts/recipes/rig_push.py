"""Push a puck to where a picture shows it, after practising goals that a VAE imagined: no demonstration (RIG).

python scripts/recipes/rig_push.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts._cli import main


@dataclass(frozen=True)
class Recipe:
    """Record random motion, learn latents from it, practise imagined goals: about 35 minutes on two cores."""

    run: Path = Path("runs/recipes/rig")
    """Folder of everything; what is done there is not done again."""
    episodes: int = 1000
    """Random scenes to learn from, of 20 random steps each."""
    batches: int = 6000
    """Of 64 frames, for the VAE."""
    steps: int = 20_000
    """Of the policy."""
    starts: int = 100
    """Goal pictures to reach."""
    seed: int = 0
    """Decides scenes, weights and noise."""


def push(recipe: Recipe) -> dict[str, float]:
    """Return how far from the goal's the puck ends, metres, of the policy and of doing nothing; and write a report."""
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

    video, heldout = recipe.run / "video" / "train", recipe.run / "video" / "heldout"
    random = {"behaviors": ("random",), "variety": "fixed", "cameras": ("front",)}
    collect(CollectConfig(video, episodes=recipe.episodes, steps=20, seed=recipe.seed, **random))
    collect(CollectConfig(heldout, episodes=50, seed=10_000 + recipe.seed, **random))

    # (0, 1) of the proprioception is where the hand is: drawn over the scene, it need not be in the latents
    options = {"dim": 2, "beta": 2.0, "smooth": 100.0, "body": (0, 1)}
    layers = {"widths": (32, 64, 64, 64), "strides": (2, 2, 1, 1)}
    settings = FitConfig(recipe.batches, lr=3e-3, seed=recipe.seed)
    embedding = train(
        TrainConfig(video, recipe.run / "embedding", "vae", options, backbone_options=layers, fit=settings)
    )

    rig = {"goal_from": "imagined", "her": True, "relabel_prior": 0.5, "relabel_future": 0.3}
    nets = {"net": (256, 256), "batch_size": 128}  # narrower ones end further from the goal
    agent = train_agent(
        TrainAgentConfig(
            recipe.run / "agent", steps=recipe.steps, seed=recipe.seed, embedding=embedding, prior=video, **rig, **nets
        )
    )
    exam = EvaluateConfig(recipe.run / "evaluation", agent, ("agent", "do_nothing"), episodes=recipe.starts, record=4)
    found = evaluate(exam)["policies"]
    print(write_report(ReportConfig(recipe.run)))
    return {name: one["distance_m"]["value"] for name, one in found.items()}


def said(distances: dict[str, float]) -> str:
    """Return one line a policy."""
    return "\n".join(f"{name}: the puck ends {100 * m:.1f} cm from its goal" for name, m in distances.items())


if __name__ == "__main__":
    main(Recipe, push, said)
