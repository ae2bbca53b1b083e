"""Replay towards other goals than those pursued: imagined ones, and moments that came later (RIG, section 4.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from agents.goals import Imagined


class RelabellingBuffer(HerReplayBuffer):
    """Of every batch, a share ``prior`` of the transitions gets goals drawn from ``imagined``, a share ``future`` gets
    moments that came later in its episode; the others keep theirs. The goal changes before and after the step, and the
    reward is computed afresh, of the whole step, so that one of progress is right, too.
    """

    def __init__(self, *args: Any, prior: float, future: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.her_ratio = prior + future
        self.prior_of_relabelled = prior / max(self.her_ratio, 1e-9)
        self.imagined: Imagined | None = None

    def _get_virtual_samples(
        self, batch_indices: np.ndarray, env_indices: np.ndarray, env: VecNormalize | None = None
    ) -> DictReplayBufferSamples:
        """Return transitions towards other goals; SB3's own knows no moment before the step."""
        assert self.env is not None
        samples = self._get_real_samples(batch_indices, env_indices, env)
        goals = self._sample_goals(batch_indices, env_indices)
        before, after = (
            side["achieved_goal"][batch_indices, env_indices] for side in (self.observations, self.next_observations)
        )
        rewards = self.env.env_method("compute_reward", after, goals, before=before, indices=[0])[0]
        for side in (samples.observations, samples.next_observations):
            side["desired_goal"] = self.to_torch(goals)
        return samples._replace(rewards=self.to_torch(rewards[:, None]))

    def _sample_goals(self, batch_indices: np.ndarray, env_indices: np.ndarray) -> np.ndarray:
        goals = super()._sample_goals(batch_indices, env_indices)
        count = round(self.prior_of_relabelled * len(goals))  # the transitions are in random order
        if count:
            assert self.imagined is not None
            goals = np.concatenate([self.imagined.sample(count), goals[count:]])
        return goals
