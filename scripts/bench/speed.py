"""Speed beside panda-gym, TinyRenderer, torch's DataLoader and bare convolutions, in CPU time, into results/speed.json.

python scripts/bench/speed.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._speed_config import SpeedConfig
from scripts.bench._verdicts import Goal, told

_LEAST = {
    "image_env_vs_panda_gym": 20.0,
    "image_env_default_vs_panda_gym": 35.0,
    "three_views_vs_panda_gym_one": 25.0,
    "raster_vs_tiny_same_mesh": 15.0,
    "silhouette_iou_min": 0.95,
    "state_env_vs_panda_gym": 1.1,
    "sampler_vs_dataloader": 4.0,
    "train_over_roofline": 0.55,
}
GOALS: dict[str, Goal] = {name: (">=", least, least) for name, least in _LEAST.items()}
"""What each should reach; what falls short is written down all the same."""


if __name__ == "__main__":
    main(SpeedConfig, "scripts.bench._speed_parts:measure", partial(told, goals=GOALS))
