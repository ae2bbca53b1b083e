"""Train a policy on a learned reward: an embedding's distance to a demonstration, a goal's picture or an imagined goal.

python scripts/train_agent.py --run runs/agent --embedding runs/tcn/checkpoints/step-00003000 \\
    --demonstration runs/demonstration --prior runs/video
"""

from _cli import main
from agents.config import TrainAgentConfig

if __name__ == "__main__":
    main(TrainAgentConfig, "agents.train:train_agent")
