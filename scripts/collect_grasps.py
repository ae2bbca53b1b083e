"""Record grasps in the bin: before, after, and what was grasped. What Grasp2Vec learns from.

python scripts/collect_grasps.py --out runs/grasps --grasps 3000
"""

from functools import partial

from _cli import main
from _recorded import summary
from envs.grasps_config import GraspsConfig

if __name__ == "__main__":
    main(GraspsConfig, "envs.grasps:collect_grasps", partial(summary, name="grasp2vec"))
