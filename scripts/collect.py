"""Record multi-view video of a simulated world into an episode store.

python scripts/collect.py --out runs/push --env-id sslctrl/Push-v0 --episodes 150 --workers 2
"""

from _cli import main
from envs.collect_config import CollectConfig
from sslctrl.store import EpisodeStore


def summary(store: EpisodeStore) -> str:
    """Say what lies where, and how to go on."""
    return f"{len(store)} episodes in {store.root}; next: train_embedding.py --store {store.root} --run runs/tcn"


if __name__ == "__main__":
    main(CollectConfig, "envs.collect:collect", summary)
