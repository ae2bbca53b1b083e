"""Train a policy towards imagined goals and, in turns, the embedding behind it on what the policy saw.

python scripts/train_online.py --agent.run runs/online --agent.embedding runs/vae/checkpoints/step-00003000 \\
    --agent.prior runs/explored --agent.goal-from imagined --agent.her --agent.relabel-prior 0.5 \\
    --agent.relabel-future 0.3 --agent.steps 40000 --rounds 4
"""

from _cli import main
from agents.online_config import OnlineConfig

if __name__ == "__main__":
    main(OnlineConfig, "agents.online:learn_online")
