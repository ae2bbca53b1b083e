"""Replay towards other goals than those pursued: imagined ones, and moments that came later (RIG, section 4.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import HerReplayBuffer

from agents.goals import Imagined


class RelabellingBuffer(HerReplayBuffer):
    """Of every batch, a share ``prior`` of the transitions gets goals drawn from ``imagined``, a share ``future`` gets
    moments that came later in its episode; the others keep theirs. The goal changes before and after the step, and the
    reward is computed afresh.
    """

    def __init__(self, *args: Any, prior: float, future: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.her_ratio = prior + future
        self.prior_of_relabelled = prior / max(self.her_ratio, 1e-9)
        self.imagined: Imagined | None = None

    def _sample_goals(self, batch_indices: np.ndarray, env_indices: np.ndarray) -> np.ndarray:
        goals = super()._sample_goals(batch_indices, env_indices)
        count = round(self.prior_of_relabelled * len(goals))  # the transitions are in random order
        if count:
            assert self.imagined is not None
            goals = np.concatenate([self.imagined.sample(count), goals[count:]])
        return goals
