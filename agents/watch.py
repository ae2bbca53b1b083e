"""What happens between two steps of training: measuring on the true task, saving, and heeding a wish to stop."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents import checkpoint
from agents.config import TrainAgentConfig
from agents.evaluate import interval, share
from agents.lesson import Lesson
from agents.play import acting, play
from sslctrl.durable import storage_error
from sslctrl.errors import InputError
from sslctrl.objective import not_finite
from sslctrl.run_log import keep_until

EVAL_SEED = 500_000  # far from the seeds of training, and from those of the last evaluation


class Watch(BaseCallback):
    """Appends true success and distance, with intervals, to ``curve.jsonl`` and saves, every so many steps; stops when
    asked to.

    `learned`: how many steps the model has learned from, which is what is saved: of PPO none of the rollout under way.
    """

    def __init__(self, config: TrainAgentConfig, lesson: Lesson, worlds: VecEnv, stop: Event, begun: int) -> None:
        super().__init__()
        self.config, self.lesson, self.worlds, self.stop = config, lesson, worlds, stop
        self.saved = self.measured = self.learned = begun
        self.stopped = False
        self.curve = Path(config.run) / "curve.jsonl"
        keep_until(self.curve, begun)

    def _on_rollout_start(self) -> None:
        self.learned, saves = self.model.num_timesteps, self.config.checkpoint_every
        if self.learned // saves > self.saved // saves and self.learned < self.config.steps:
            self.save()
        if isinstance(self.model, OnPolicyAlgorithm):  # in the middle of its rollouts the weights are of their start
            self._measure_if_due()

    def _on_step(self) -> bool:
        self.stopped = self.stop.is_set() and self.num_timesteps < self.config.steps
        if not self.stopped and not isinstance(self.model, OnPolicyAlgorithm):
            self._measure_if_due()
        return not self.stopped

    def _measure_if_due(self) -> None:
        every = self.config.eval_every
        if every and self.model.num_timesteps // every > self.measured // every:
            self.measure()

    def save(self, training: bool = True) -> Path:
        """Save the model, with `training` all that a run goes on from, and return where. Raises InputError, saving
        nothing, where a weight is not finite.
        """
        self.check()
        self.saved = self.learned
        return checkpoint.save(self.model, self.config, self.lesson, self.learned, training)

    def check(self) -> None:
        """Raise InputError where a weight is not finite."""
        if name := not_finite(self.model.policy):
            raise InputError(
                f"{name} is not finite at step {self.model.num_timesteps} with lr {self.config.lr}; allowed are "
                "finite weights; lower lr, and give another run folder"
            )

    def measure(self) -> None:
        """Play the fixed starts, as many at a time as there are worlds, without noise, and record how they ended."""
        self.measured = self.model.num_timesteps
        ended = play(self.worlds, acting(self.model), EVAL_SEED, self.config.eval_episodes)
        figures = {
            "success": share([one.success for one in ended]),
            "distance_m": interval([one.distance_m for one in ended], self.config.seed),
            "return": interval([one.ret for one in ended], self.config.seed),
        }
        values = {}
        for name, found in figures.items():
            values |= {name: found["value"], f"{name}_low": found["low"], f"{name}_high": found["high"]}
        try:
            with open(self.curve, "a") as file:
                file.write(json.dumps({"step": self.measured, **values}) + "\n")
        except OSError as error:
            raise storage_error(error, self.curve) from error
        for name in figures:
            self.model.logger.record(f"eval/{name}", values[name])
        self.model.logger.dump(self.measured)
