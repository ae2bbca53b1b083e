"""Add your own robot's video, one file a camera, to an episode store.

python scripts/import_video.py --out runs/mine --videos front.mp4 left.mp4
"""

from _cli import main
from sslctrl.import_config import ImportConfig
from sslctrl.store import EpisodeStore


def summary(store: EpisodeStore) -> str:
    """Say what lies where, and how to go on: one camera teaches no multi-view embedding."""
    size_px = store.read(store.ids[0]).frames.shape[2]
    name = "tcn" if len(store.cameras) > 1 else "vae"
    options = "" if size_px == 64 else f" --options size_px={size_px}"
    command = f"train_embedding.py --store {store.root} --run runs/{name} --name {name}{options}"
    return f"{len(store)} episodes in {store.root}; next, when there are enough: {command}"


if __name__ == "__main__":
    main(ImportConfig, "sslctrl.import_video:import_video", summary)
