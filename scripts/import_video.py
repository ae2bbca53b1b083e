"""Add your own robot's video, one file a camera, to an episode store.

python scripts/import_video.py --out runs/mine --videos front.mp4 left.mp4
"""

from _cli import main
from sslctrl.import_config import ImportConfig
from sslctrl.store import EpisodeStore


def summary(store: EpisodeStore) -> str:
    """Say what lies where, and how to go on."""
    return f"{len(store)} episodes in {store.root}; next: train_embedding.py --store {store.root} --run runs/tcn"


if __name__ == "__main__":
    main(ImportConfig, "sslctrl.import_video:import_video", summary)
