"""Train a policy whose only reward is an embedding's distance to one demonstration.

python scripts/train_agent.py --run runs/agent --embedding runs/tcn/checkpoints/step-00002000 \\
    --demonstration runs/demonstration --prior runs/push
"""

from _cli import main
from agents.config import TrainAgentConfig

if __name__ == "__main__":
    main(TrainAgentConfig, "agents.train:train_agent")
