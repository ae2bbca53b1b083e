"""Add your own robot's video, one file a camera, to an episode store.

python scripts/import_video.py --out runs/mine --videos front.mp4 left.mp4
"""

from _cli import main
from _recorded import summary
from sslctrl.import_config import ImportConfig

if __name__ == "__main__":
    main(ImportConfig, "sslctrl.import_video:import_video", summary)
