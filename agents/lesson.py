"""What one agent is taught: what it sees, what it is rewarded for, and the goal behind both."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from stable_baselines3.common.utils import get_device

from agents.config import TrainAgentConfig
from agents.encoders import Encoder, PixelEncoder
from agents.goals import Desired, Goals, Imagined, Shown, Targets
from agents.judge import Judge, TrueDistance
from agents.senses import Senses
from agents.worlds import demonstration, task_of, true_goal
from sslctrl import checkpoint
from sslctrl.clips import Episode
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.imagining import Imagining
from sslctrl.metrics.positions import position_columns
from sslctrl.rewards import REWARDS
from sslctrl.views import view_of
from vision.build import load_embedding, names_in

_log = logging.getLogger(__name__)
POOLED = 16  # side of the pictures that goals of raw pixels are kept as, with every transition


class Lesson(NamedTuple):
    """What stands between the worlds and the learner."""

    senses: Senses
    judge: Judge
    goals: Goals
    goal: np.ndarray | None
    """float64 (G,): the true goal of every episode; None: the world draws one."""


def lesson_of(config: TrainAgentConfig, embedding: Path | None) -> Lesson:
    """Build a lesson from the demonstration that the config names, with an embedding's checkpoint.

    Raises InputError, DataError or CheckpointError for what is missing, damaged or does not fit.
    """
    task = task_of(config.env_id)
    demo = None if config.demonstration is None else demonstration(config.demonstration)
    senses = senses_of(config, embedding, 64 if demo is None else demo.frames.shape[2], config.allow)
    for encoder in (senses.observer, senses.judged):
        _check_camera(encoder, "camera", config.camera)
    if demo is None:
        if config.demo_camera != TrainAgentConfig.demo_camera:
            raise InputError(f"demo_camera is {config.demo_camera!r}, and there is no demonstration; leave it out")
        return Lesson(senses, judge_of(config), goals_of(config, senses, None), None)
    _check_camera(senses.judged, "demo_camera", config.demo_camera)
    if senses.judged is not None and senses.judged.history.first:
        raise InputError(
            "the embedding reads every moment with its own episode's first frame, and a demonstration's is another's; "
            "allowed is goal_from=imagined or shown, without a demonstration; change it, or give another embedding"
        )
    targets = None if senses.judged is None else _targets(config, demo, senses.judged)
    return Lesson(senses, judge_of(config), goals_of(config, senses, targets), true_goal(demo, task))


def warn_of_other_video(config: TrainAgentConfig) -> None:
    """Log where the embedding learned in another world than the policy's, or never through its camera."""
    if config.embedding is None or not config.uses_embedding:
        return
    match checkpoint.about_of(checkpoint.newest(Path(config.embedding)))["extra"].get("video"):
        case {"env_id": str(env_id)} if env_id not in ("", config.env_id):
            _log.warning("the embedding learned from video of %s, and the policy acts in %s", env_id, config.env_id)
        case {"cameras": list(cameras)} if config.camera not in cameras:
            through = ", ".join(map(str, cameras))
            _log.warning("the embedding learned through %s, and the policy sees through %s", through, config.camera)


def judge_of(config: TrainAgentConfig, allow: Collection[str] | None = None) -> Judge:
    """Return the judge of encodings, or of the true distance.

    ``allow``: the only rewards outside the registry that may be imported; None: any. Raises InputError for another.
    """
    if config.reward_from == "state":
        return Judge(TrueDistance(task_of(config.env_id)))
    return Judge(REWARDS.build(config.reward, config.reward_options, allow))


def goals_of(config: TrainAgentConfig, senses: Senses, targets: np.ndarray | None) -> Goals:
    """Return the goals of training; targets (K, D) are a demonstration's.

    Raises InputError where goals are to be imagined by what cannot.
    """
    if targets is not None:
        return Targets(targets)
    if config.goal_from == "imagined":
        if not isinstance(senses.judged, Imagining):
            raise InputError(
                "goal_from=imagined, and this embedding has no prior to imagine goals from; allowed are vae, cc_vae, "
                "autoencoder, and your own sslctrl.imagining.Imagining; give one of these, or goal_from=shown"
            )
        if config.prior is None and not senses.judged.learns_from:
            raise InputError(
                "goal_from=imagined, and this embedding imagines what any of its cameras may see; allowed is one that "
                "learned from the policy's camera, or a prior, whose frames it then imagines; give one of these"
            )
        return Imagined(senses.judged, config.seed)
    return Shown(senses) if config.goal_from == "shown" else Desired()


def examined(goals: Goals, senses: Senses) -> Goals:
    """Return the goals of an exam: shown where training imagines them, else training's own."""
    return Shown(senses) if isinstance(goals, Imagined) else goals


def senses_of(config: TrainAgentConfig, embedding: Path | None, size_px: int, allow: Collection[str] = ()) -> Senses:
    """Build the encoders; ``size_px`` is the frames' where no embedding says it.

    ``allow``: classes outside the registries that the embedding's checkpoint may name. Raises CheckpointError.
    """
    trained: Embedding | None = None
    if embedding is not None and config.uses_embedding:
        trained = load_embedding(embedding, allow).eval().requires_grad_(False).to(get_device(config.device))
    observer = trained if config.observe == "embedding" else None
    judged: dict[str, Encoder | None] = {"state": None, "embedding": trained}
    if config.reward_from == "pixels":
        judged["pixels"] = PixelEncoder(observer.size_px if observer else size_px, POOLED if config.her else 0)
    columns = position_columns(task_of(config.env_id).state_names) if config.goal_from == "shown" else []
    return Senses(observer, judged[config.reward_from], tuple(columns))


def named_by(config: TrainAgentConfig, embedding: Path | None) -> list[str]:
    """Return the names of the classes that `judge_of` and `senses_of` build. Raises CheckpointError."""
    if embedding is None or not config.uses_embedding:
        return [config.reward]
    return [config.reward, *names_in(checkpoint.about_of(embedding)["spec"])]


def _check_camera(encoder: Encoder | None, option: str, camera: str) -> None:
    """Raise InputError where an embedding of one camera is to see through another."""
    own = encoder.learns_from if isinstance(encoder, Embedding) else ()
    if len(own) == 1 and camera not in own:
        raise InputError(
            f"the embedding learned from camera {own[0]!r} alone, and {option} is {camera!r}; allowed is its own; give "
            f"{option}={own[0]}"
        )


def _targets(config: TrainAgentConfig, demo: Episode, judged: Encoder) -> np.ndarray:
    """Encode the demonstration, from its own camera: all steps (T+1, D), or the last alone (1, D)."""
    moments = judged.history.of(view_of(demo, config.demo_camera, judged.size_px, "the demonstration"))
    return judged.embed_hwc(np.array(moments if config.goal_from == "steps" else moments[-1:]))
