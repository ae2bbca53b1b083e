"""Learn from recorded grasps to fetch what a picture asks for out of a bin, and measure how often it does.

python scripts/train_grasping.py --grasps runs/grasps --embedding runs/grasp2vec --run runs/grasping
"""

from _cli import main
from agents.grasping.config import GraspingConfig


def table(found: dict[str, dict[str, float]]) -> str:
    """Return one line an exam."""
    lines = [
        f"{name}: fetches what is asked for, of five, in "
        + ", ".join(f"{share:.0%} ({how.replace('_', ' ')})" for how, share in shares.items())
        for name, shares in found.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(GraspingConfig, "agents.grasping.train:train_grasping", table)
