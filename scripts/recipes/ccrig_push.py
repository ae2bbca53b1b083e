"""Push objects never seen before to where a picture shows them, after practising imagined goals with others (CC-RIG).

python scripts/recipes/ccrig_push.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts._cli import main


@dataclass(frozen=True)
class Recipe:
    """Record play, learn latents from it, practise imagined goals: about 35 minutes on two cores."""

    run: Path = Path("runs/recipes/ccrig")
    """Folder of everything; what is done there is not done again."""
    episodes: int = 400
    """Objects to learn from, each played with for 50 steps."""
    batches: int = 6000
    """Of 64 frames, for the context-conditioned VAE."""
    steps: int = 20_000
    """Of the policy."""
    starts: int = 100
    """Goal pictures to reach, of known and of new objects each."""
    seed: int = 0
    """Decides scenes, weights and noise."""


def push(recipe: Recipe) -> dict[str, float]:
    """Return how far from its goal the object ends, metres, of policy and doing nothing; and write a report."""
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

    video, heldout, world = recipe.run / "video" / "train", recipe.run / "video" / "heldout", "sslctrl/PushVaried-v0"
    play = {"env_id": world, "behaviors": ("play",), "cameras": ("front",)}
    collect(CollectConfig(video, episodes=recipe.episodes, steps=50, variety="train", seed=recipe.seed, **play))
    collect(CollectConfig(heldout, episodes=50, variety="heldout", seed=10_000 + recipe.seed, **play))

    # (0, 1) of the proprioception is where the hand is: drawn over the scene, it need not be in the latents
    options = {"dim": 2, "beta": 2.0, "smooth": 100.0, "body": (0, 1), "context_from": "any"}
    options["slow_start"] = recipe.batches // 3  # colours and shapes are the context's before latents can afford them
    settings = FitConfig(recipe.batches, lr=3e-3, seed=recipe.seed)
    embedding = train(TrainConfig(video, recipe.run / "embedding", "cc_vae", options, fit=settings))

    rig = {"goal_from": "imagined", "her": True, "relabel_prior": 0.5, "relabel_future": 0.3}
    nets = {"net": (256, 256), "batch_size": 128}  # narrower ones end further from the goal
    agent = train_agent(
        TrainAgentConfig(
            recipe.run / "agent", env_id=world, variety="train", steps=recipe.steps, seed=recipe.seed,
            embedding=embedding, prior=video, **rig, **nets,
        )
    )  # fmt: skip
    kinds: dict[str, Literal["train", "heldout"]] = {"known objects": "train", "new objects": "heldout"}
    distances = {}
    for name, variety in kinds.items():
        exam = EvaluateConfig(
            recipe.run / ("evaluation" if variety == "heldout" else "known"), agent, ("agent", "do_nothing"), world,
            variety, episodes=recipe.starts, record=4,
        )  # fmt: skip
        found = evaluate(exam)["policies"]
        distances |= {f"{who}, {name}": one["distance_m"]["value"] for who, one in found.items()}
    print(write_report(ReportConfig(recipe.run)))
    return distances


def said(distances: dict[str, float]) -> str:
    """Return one line a policy."""
    return "\n".join(f"{name}: the object ends {100 * m:.1f} cm from its goal" for name, m in distances.items())


if __name__ == "__main__":
    main(Recipe, push, said)
