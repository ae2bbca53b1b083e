"""Record multi-view video of a simulated world into an episode store.

python scripts/collect.py --out runs/push --env-id sslctrl/Push-v0 --episodes 150 --workers 2
"""

from _cli import main
from _recorded import summary
from envs.collect_config import CollectConfig

if __name__ == "__main__":
    main(CollectConfig, "envs.collect:collect", summary)
