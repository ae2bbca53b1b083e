"""Record grasps in the bin: before, after, and what was grasped. What Grasp2Vec learns from.

python scripts/collect_grasps.py --out runs/grasps --grasps 3000
"""

from _cli import main
from envs.grasps_config import GraspsConfig
from sslctrl.store import EpisodeStore


def summary(store: EpisodeStore) -> str:
    """Say what lies where, and how to go on."""
    next = f"train_embedding.py --name grasp2vec --store {store.root} --run runs/grasp2vec"
    return f"{len(store)} grasps in {store.root}; next: {next}"


if __name__ == "__main__":
    main(GraspsConfig, "envs.grasps:collect_grasps", summary)
