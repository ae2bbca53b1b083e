"""Show the robot a picture of an object in its gripper; it fetches that one out of a bin of five (Grasp2Vec).

python scripts/recipes/grasp2vec_grasp.py
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from scripts._cli import main


@dataclass(frozen=True)
class Recipe:
    """Record grasps, learn from them without labels, and grasp what is asked for: about an hour on two cores."""

    run: Path = Path("runs/recipes/grasp2vec")
    """Folder of everything; what is done there is not done again."""
    grasps: int = 10_000
    """Grasps to learn from; failed ones included."""
    steps: int = 4000
    """Batches of 64 grasps."""
    starts: int = 100
    """Bins to grasp from."""
    seed: int = 0
    """Decides the weights, and which pictures are shown."""


def grasp(recipe: Recipe) -> dict[str, float]:
    """Return how often the object that was asked for is grasped, by heat map, out of five; and write a report."""
    import numpy as np

    from agents.grasping.aims import by_heat_map
    from agents.grasping.exam import outcomes, share_grasped
    from agents.report.config import ReportConfig
    from agents.report.write import write_report
    from envs.grasps import collect_grasps
    from envs.grasps_config import GraspsConfig
    from sslctrl.embeddings.grasp2vec import Grasp2Vec
    from sslctrl.fit import FitConfig, fit
    from vision.build import ObjectiveSpec, build_objective, load_embedding

    grasps = collect_grasps(GraspsConfig(recipe.run / "video" / "train", recipe.grasps))
    conv = {"widths": (32, 48, 64, 64, 64), "strides": (2, 2, 1, 1, 1)}
    spec = ObjectiveSpec("grasp2vec", backbone_options=conv, seed=recipe.seed)
    settings = FitConfig(recipe.steps, lr=2e-3, seed=recipe.seed)
    embedding = load_embedding(fit(build_objective(spec), grasps, recipe.run / "embedding", settings))
    assert isinstance(embedding, Grasp2Vec)

    kinds: dict[str, Literal["train", "heldout"]] = {"known": "train", "heldout": "heldout"}
    shares = {}
    for seed, (name, variety) in enumerate(kinds.items(), start=1):
        shown = collect_grasps(GraspsConfig(recipe.run / "video" / name, 400, variety, seed=seed))
        rng = np.random.default_rng(recipe.seed)
        shares[name] = share_grasped(partial(by_heat_map, embedding), outcomes(shown), variety, recipe.starts, rng)
    print(write_report(ReportConfig(recipe.run)))
    return shares


def said(shares: dict[str, float]) -> str:
    """Return one line a kind of object."""
    return "\n".join(
        f"{name} objects: grasps what was asked for in {share:.0%} of the bins" for name, share in shares.items()
    )


if __name__ == "__main__":
    main(Recipe, grasp, said)
