"""Speed beside panda-gym, TinyRenderer, torch's DataLoader and bare convolutions, in CPU time, into results/speed.json.

python scripts/bench/speed.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts._cli import main
from scripts.bench._speed_config import SpeedConfig

if TYPE_CHECKING:
    from scripts.bench._intervals import Figure

GOALS = {
    "image_env_vs_panda_gym": 20.0,
    "image_env_default_vs_panda_gym": 35.0,
    "three_views_vs_panda_gym_one": 25.0,
    "raster_vs_tiny_same_mesh": 15.0,
    "silhouette_iou_min": 0.95,
    "state_env_vs_panda_gym": 1.1,
    "sampler_vs_dataloader": 4.0,
    "train_over_roofline": 0.55,
}
"""The least that each should reach; what falls short is written down all the same."""


def summary(figures: dict[str, Figure]) -> str:
    """Return one line a figure, with its goal where it has one."""
    lines = []
    for name, figure in sorted(figures.items()):
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"   goal >= {goal:g}: {'reached' if figure.value >= goal else 'MISSED'}"
        lines.append(f"{name:36s}{figure.value:10.4g} {figure.unit:9s}({figure.low:.4g} to {figure.high:.4g}){verdict}")
    return "\n".join(lines)


if __name__ == "__main__":
    main(SpeedConfig, "scripts.bench._speed_parts:measure", summary)
