"""Train a backbone by a pretext task on an episode store; `--backbone` of train_embedding takes its run.

python scripts/train_pretext.py --store runs/push --run runs/rotation --task rotation --fit.steps 2000
"""

from _cli import main
from vision.train_config import PretextConfig

if __name__ == "__main__":
    main(PretextConfig, "vision.train:train_pretext")
