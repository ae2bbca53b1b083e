"""Train an embedding on an episode store.

python scripts/train_embedding.py --store runs/push --run runs/tcn --name tcn --options dim=32 --fit.steps 2000
"""

from _cli import main
from vision.train_config import TrainConfig

if __name__ == "__main__":
    main(TrainConfig, "vision.train:train")
