"""What one agent is taught: what it sees, what it is rewarded for, and the goal behind both."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agents.config import TrainAgentConfig
from agents.encoders import EmbeddingEncoder, Encoder, PixelEncoder, untrained
from agents.judge import Judge, TrueDistance
from agents.senses import Senses
from agents.worlds import demonstration, task_of, true_goal
from sslctrl.clips import Episode
from sslctrl.rewards import REWARDS
from sslctrl.views import view_of
from vision.build import load_embedding


class Lesson(NamedTuple):
    """What stands between the worlds and the learner."""

    senses: Senses
    judge: Judge
    goal: np.ndarray | None
    """float64 (G,): the true goal of every episode; None: the world draws one."""


def lesson_of(config: TrainAgentConfig, embedding: Path | None) -> Lesson:
    """Build a lesson from the demonstration that the config names, with an embedding's checkpoint.

    Raises InputError, DataError or CheckpointError for what is missing, damaged or does not fit.
    """
    task = task_of(config.env_id)
    if config.demonstration is None:
        return Lesson(senses_of(config, embedding, 64, config.allow), Judge(TrueDistance(task), None), None)
    demo = demonstration(config.demonstration)
    senses = senses_of(config, embedding, demo.frames.shape[2], config.allow)
    goal = true_goal(demo, task)
    if senses.judged is None:
        return Lesson(senses, Judge(TrueDistance(task), None), goal)
    return Lesson(senses, taught(config, _targets(config, demo, senses.judged)), goal)


def taught(config: TrainAgentConfig, targets: np.ndarray | None, allow: Collection[str] | None = None) -> Judge:
    """Return the judge of latent targets (K, D), or of the true distance where there are none.

    ``allow``: the only rewards outside the registry that may be imported; None: any. Raises InputError for another.
    """
    if config.reward_from == "state" or targets is None:
        return Judge(TrueDistance(task_of(config.env_id)), None)
    return Judge(REWARDS.build(config.reward, config.reward_options, allow), targets)


def senses_of(config: TrainAgentConfig, embedding: Path | None, size_px: int, allow: Collection[str] = ()) -> Senses:
    """Build the encoders; ``size_px`` is the frames' where no embedding says it.

    ``allow``: classes outside the registries that the embedding's checkpoint may name. Raises CheckpointError.
    """
    trained: EmbeddingEncoder | None = None
    if embedding is not None and (config.observe == "embedding" or config.reward_from == "embedding"):
        trained = EmbeddingEncoder(load_embedding(embedding, allow), config.device)
    observer = trained if config.observe == "embedding" else None
    judged: dict[str, Encoder | None] = {"state": None, "embedding": trained}
    if config.reward_from == "random" and embedding is not None:
        judged["random"] = EmbeddingEncoder(untrained(embedding, config.seed, allow), config.device)
    if config.reward_from == "pixels":
        judged["pixels"] = PixelEncoder(observer.size_px if observer else size_px)
    return Senses(observer, judged[config.reward_from])


def _targets(config: TrainAgentConfig, demo: Episode, judged: Encoder) -> np.ndarray:
    """Encode the demonstration, from its own camera: all steps (T+1, D), or the last alone (1, D)."""
    moments = judged.history.of(view_of(demo, config.demo_camera, judged.size_px, "the demonstration"))
    return judged(np.array(moments if config.goal_from == "steps" else moments[-1:]))
