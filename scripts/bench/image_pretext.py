"""The image pretext tasks on simulated frames and real images, over seeds, into results/image_pretext.json. Goes on
where it was stopped; make data brings the real images.

python scripts/bench/image_pretext.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._image_config import TASKS, ImageConfig
from scripts.bench._verdicts import Goal, told

_ASKED: dict[str, tuple[str, float, float]] = {
    "exemplar": (">=", 0.80, 0.60),
    "rotation": (">=", 0.95, 0.95),
    "relative_position": (">=", 0.60, 0.30),
    "jigsaw": (">=", 0.80, 0.60),
    "counting": ("<=", 0.25, 0.35),
    "context_encoder": ("<=", 0.6, 0.8),
}
"""Of simulated frames, and of real images."""
GOALS: dict[str, Goal] = {
    f"{task}.{where}": (sense, asked, asked)
    for task, (sense, *both) in _ASKED.items()
    for where, asked in zip(("sim", "real"), both, strict=True)
} | {
    "colorization.sim_object_accuracy_gain": (">=", 0.2, 0.2),
    "colorization.real_nats_below_prior": (">=", 0.3, 0.3),
    "denoising.sim": (">=", 6.0, 6.0),
    "denoising.real_over_median_db": (">=", 0.0, 0.0),
    "context_encoder.real_over_telea": ("<=", 1.0, 1.0),
    "split_brain.sim": ("<=", 0.5, 0.5),
    "context_encoder.sim_over_telea": ("<=", 1.0, 1.0),
    "gan.real": (">=", 8, 10),
    "bigan.real": ("<=", 0.8, 0.8),
    "bigan.real_1nn": (">=", 0.70, 0.70),
    "counting.sim_norm": (">=", 0.5, 0.5),
    "counting.objects_gain_over_random": (">=", 0.15, 0.15),
    **{f"{task}.leak": ("<=", 0.03, 0.03) for task in ("rotation", "relative_position", "jigsaw")},
    **{f"{task}.sim_transform_share": ("<=", 1 / 3, 1 / 3) for task in TASKS},
    **{f"{task}.{where}_minutes": ("<=", 3.0, 3.0) for task in TASKS for where in ("sim", "real")},
}
"""What each should reach; what falls short is written down all the same."""


if __name__ == "__main__":
    main(ImageConfig, "scripts.bench._image_parts:measure", partial(told, goals=GOALS))
