"""The video pretext tasks on simulated video and real clips, over seeds, into results/video_pretext.json. Goes on where
it was stopped; make data brings the real clips.

python scripts/bench/video_pretext.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._verdicts import Goal, told
from scripts.bench._video_config import VideoConfig

GOALS: dict[str, Goal] = {
    "tracking.sim": (">=", 0.95, 0.95),
    "tracking.sim_r1": (">=", 0.8, 0.8),
    "tracking.real": (">=", 0.85, 0.85),
    "tracking.real_over_raw": (">=", 0.0, 0.0),
    "facenet_triplet.sim": (">=", 0.9, 0.9),
    "facenet_triplet.real": (">=", 0.9, 0.9),
    "facenet_triplet.real_over_raw": (">=", 0.0, 0.0),
    "shuffle_and_learn.sim": (">=", 0.75, 0.75),
    "shuffle_and_learn.real": (">=", 0.60, 0.60),
    "shuffle_and_learn.leak": ("<=", 0.55, 0.55),
    "odd_one_out.sim": (">=", 0.60, 0.60),
    "odd_one_out.real": (">=", 0.30, 0.30),
    "odd_one_out.leak": ("<=", 1 / 6 + 0.03, 1 / 6 + 0.03),
    "arrow_of_time.sim": (">=", 0.85, 0.85),
    "arrow_of_time.falls": (">=", 0.85, 0.85),
    "arrow_of_time.leak_off_chance": ("<=", 0.07, 0.07),
    "video_colorization.sim_j_over_identity": (">=", 0.25, 0.25),
    "video_colorization.sim_j_over_random": (">=", 0.25, 0.25),
    "video_colorization.sim_j_over_dis": (">=", 0.0, 0.0),
    "video_colorization.sim_pck_over_identity": (">=", 0.2, 0.2),
    "video_colorization.real_pck_over_identity": (">=", 0.0, 0.0),
    "video_colorization.sim_moving_accuracy_gain": (">=", 0.0, 0.0),
    "video_colorization.real_moving_accuracy_gain": (">=", 0.0, 0.0),
}
"""What each should reach; what falls short is written down all the same."""


if __name__ == "__main__":
    main(VideoConfig, "scripts.bench._video_parts:measure", partial(told, goals=GOALS))
