"""The control embeddings beside their baselines, over seeds, into results/control.json. Goes on where it was stopped.

python scripts/bench/control.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._control_config import ControlConfig
from scripts.bench._verdicts import INTERVAL, Goal, told

GOALS: dict[str, Goal] = {
    "tcn.mv.alignment": ("<=", 0.05, 0.015),
    "tcn.mv.alignment_above_floor": ("<=", 0.02, 0.01),
    "tcn.sv.alignment": ("<=", 0.20, 0.12),
    "tcn.sv.alignment_over_mv": (">=", 2.0, 2.0),
    "tcn.mv.alignment_unseen_camera": ("<=", 0.12, 0.05),
    "tcn.mv.attribute_error": ("<=", 0.12, 0.05),
    "tcn.mv.tau": (">=", 0.85, 0.95),
    "mftcn.motion_error_reduction": (">=", 0.394, 0.60),
    "mftcn.static_error_reduction": (">=", 0.111, 0.20),
    "mftcn.velocity_r2": (">=", 0.9, 0.9),
    "mftcn.single_frame.velocity_r2": ("<=", 0.2, 0.2),
    "tcn.reward_spearman": (">=", 0.85, 0.95),
    "tcn.reward_minus_pixel_spearman": (">=", 0.2, 0.2),
    "g2v.retrieval_seen": (">=", 0.95, 0.99),
    "g2v.retrieval_unseen": (">=", 0.75, 0.92),
    "g2v.retrieval_colour_matched_minus_histogram": (">=", 0.15, 0.15),
    "g2v.localisation_seen": (">=", 0.90, 0.98),
    "g2v.localisation_unseen": (">=", 0.75, 0.92),
    "g2v.success_auroc": (">=", 0.95, 0.99),
    "g2v.grasp_seen": (">=", 0.80, 0.92),
    "g2v.grasp_unseen": (">=", 0.63, 0.82),
    "g2v.policy_es_seen": (">=", 0.80, 0.92),
    "g2v.policy_es_unseen": (">=", 0.63, 0.82),
    "g2v.policy_es_over_oracle": (">=", 0.9, 1.0),
    "rig.vae_r2": (">=", 0.9, 0.98),
    "rig.latent_spearman": (">=", 0.7, 0.85),
    "rig.reach_final_m": ("<=", 0.02, 0.01),
    "rig.oracle_over_do_nothing": ("<=", 0.35, 0.2),
    "rig.puck_oracle_over_do_nothing": ("<=", 0.35, 0.2),
    "rig.push_over_do_nothing": ("<=", 0.6, 0.3),
    "rig.push_over_oracle": ("<=", 1.8, 1.25),
    "rig.push_over_puck_oracle": ("<=", 1.8, 1.25),
    "rig.pixel_over_rig": (">=", 2.0, 2.0),
    "rig.mix_beats_none": (INTERVAL, 0.0, 0.0),
    "rig.mix_beats_future": (INTERVAL, 0.0, 0.0),
    "rig.mix_beats_prior": (INTERVAL, 0.0, 0.0),
    "ccrig.unseen_over_rig": ("<=", 0.75, 0.5),
    "ccrig.unseen_over_seen": ("<=", 1.2, 1.1),
    "ccrig.goal_colour_match": (">=", 0.85, 0.97),
    "vae.goal_colour_match": ("<=", 0.30, 0.15),
}
"""What each should reach, and what would be better still; what falls short is written down all the same."""


if __name__ == "__main__":
    main(ControlConfig, "scripts.bench._control_parts:measure", partial(told, goals=GOALS))
