"""An agent's checkpoint: safetensors and JSON. The model is built from its config; nothing is unpickled."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents import model_state
from agents.algorithms import build_model
from agents.config import TrainAgentConfig
from agents.goals import Goals, Targets
from agents.judge import Judge
from agents.lesson import Lesson, examined, goals_of, judge_of, named_by, senses_of
from agents.senses import Senses
from sslctrl import checkpoint, durable, training_state
from sslctrl import config as configs
from sslctrl.errors import CheckpointError, InputError
from sslctrl.registry import check_allowed

KIND = "agent"
EMBEDDING = "embedding"
_POLICY, _LOOSE, _TARGETS = "policy/", "loose/", "targets"


class Agent(NamedTuple):
    """A trained agent, ready to act."""

    model: BaseAlgorithm
    config: TrainAgentConfig
    senses: Senses
    judge: Judge
    goals: Goals
    """Those of an exam: none is imagined."""
    goal: np.ndarray | None
    """float64 (G,): the true goal that it was trained for; None: any."""


def keep_embedding(config: TrainAgentConfig, path: Path | None) -> Path | None:
    """Copy the embedding, a checkpoint, into the run, so that the run's agents need no other folder, and return the
    copy.

    Raises CheckpointError for one that is damaged, InputError where the run began with another, or where the copy's
    place is taken.
    """
    if path is None:
        return None
    own = Path(config.run) / EMBEDDING
    checkpoint.read(path, training_state.KIND)  # every byte verified
    if own.exists() and not (own / checkpoint.ABOUT).exists():
        raise InputError(
            f"{own} is there already, and is not this run's copy of its embedding; allowed is a run folder without it; "
            f"give another, as {config.run / 'agent'}"
        )
    if not own.exists():
        files = {name: (path / name).read_bytes() for name in (checkpoint.ABOUT, checkpoint.WEIGHTS)}
        durable.publish(own, files)
    elif sha256_of(own) != sha256_of(path):
        raise InputError(f"{config.run} began with another embedding than {path}; give that one, or another run folder")
    return own


def check_goals(path: Path, lesson: Lesson) -> None:
    """Raise InputError where a checkpoint learned to go elsewhere than a lesson says, or saw its goal otherwise."""
    goal, began = lesson.goal, checkpoint.about_of(path)["extra"]["goal_m"]
    if began != (None if goal is None else goal.tolist()):
        raise InputError(
            f"{path} learned to go to {began}, and the demonstration now ends at {goal}; allowed is the one that the "
            "run began with; give that, or another run folder"
        )
    if isinstance(lesson.goals, Targets):
        saved = checkpoint.read(path, KIND).tensors[_TARGETS].numpy()
        asked = lesson.goals.targets
        if saved.shape != asked.shape or not np.allclose(saved, asked, 1e-4, 1e-5):  # machines round otherwise
            raise InputError(
                f"{path} learned from a demonstration that looks otherwise; allowed is the one that the run began "
                "with; give that, or another run folder"
            )


def sha256_of(path: Path) -> str:
    """Return the hash of a checkpoint's weights, as it says itself."""
    return checkpoint.about_of(path)["sha256"][checkpoint.WEIGHTS]


def save(model: BaseAlgorithm, config: TrainAgentConfig, lesson: Lesson, step: int, training: bool) -> Path:
    """Publish the checkpoint of a step, drop all but the run's newest two, and return its folder.

    With ``training`` it holds optimisers and replay buffer too. Raises StorageError where it cannot be written.
    """
    tensors = {f"{_POLICY}{name}": value for name, value in model_state.weights_of(model).items()}
    tensors |= {f"{_LOOSE}{name}": value for name, value in model_state.loose_of(model).items()}
    if isinstance(lesson.goals, Targets):
        tensors[_TARGETS] = torch.from_numpy(lesson.goals.targets)
    more, counts = model_state.training_of(model) if training else (None, {})
    embedding = None if config.embedding is None else Path(config.run) / EMBEDDING
    extra = {
        "step": step,
        "counts": counts,
        "reward_scale": lesson.judge.scale,
        "goal_m": None if lesson.goal is None else lesson.goal.tolist(),
        "embedding": None if embedding is None else {"path": str(config.embedding), "sha256": sha256_of(embedding)},
    }
    spec = {
        "config": configs.to_plain(config),
        "observation": _sizes(model.observation_space),
        "action": _sizes(model.action_space),
        "size_px": lesson.senses.size_px,
    }
    return checkpoint.save_step(config.run, step, KIND, spec, tensors, extra, more)


def load(path: Path, allow: Collection[str] = ()) -> Agent:
    """Open an agent's checkpoint, or the newest of a run folder. No code runs but ours and that in ``allow``.

    It acts; its replay buffer stays behind, so that it learns on by `train_agent` alone, with ``init``.
    Raises CheckpointError where it, or the run's copy of the embedding, is missing, damaged or of another kind,
    InputError naming all classes that would have to be allowed.
    """
    path = checkpoint.newest(Path(path))
    saved = checkpoint.read(path, KIND)
    try:
        config = configs.from_plain(TrainAgentConfig, saved.spec["config"], str(path))
        config = config if torch.cuda.is_available() else replace(config, device="cpu")
        with torch.random.fork_rng(devices=()):  # for weights that are replaced
            model = build_model(config, (_space(saved.spec["observation"]), _space(saved.spec["action"], 1.0)), None)
        model_state.set_weights(model, _part(saved, _POLICY))
        goal, scale = saved.extra["goal_m"], saved.extra["reward_scale"]
        size_px = saved.spec["size_px"] or 64
    except (KeyError, TypeError, ValueError, RuntimeError, InputError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{path} does not hold what its kind does ({reason}); use another, or train again"
        ) from error
    embedding = _embedding_of(path, saved.extra.get("embedding"))
    check_allowed(named_by(config, embedding), allow)
    targets = saved.tensors.get(_TARGETS)
    judge = judge_of(config, allow)
    judge.scale = scale
    senses = senses_of(config, embedding, size_px, allow)
    goals = examined(goals_of(config, senses, None if targets is None else targets.numpy()), senses)
    return Agent(model, config, senses, judge, goals, None if goal is None else np.array(goal))


def last_step(run: Path) -> tuple[Path, int] | None:
    """Return a run's newest checkpoint that can be read and its step; None in a run without one.

    Raises CheckpointError where there are some, and all are damaged.
    """
    newest = checkpoint.newest_intact(run, KIND)
    return newest and (newest[0], int(newest[1].extra["step"]))


def capacity_of(path: Path) -> int:
    """Return the size, in transitions, of a checkpoint's replay buffer; 1 where it has none."""
    return int(checkpoint.about_of(path)["extra"].get("counts", {}).get("capacity", 1))


def resume(path: Path, model: BaseAlgorithm) -> dict[str, Any]:
    """Load what is learned, optimisers and replay buffer into a model; return what else the checkpoint says of itself.

    Raises CheckpointError where it is damaged or another model's.
    """
    saved = checkpoint.read(path, KIND, training=True)
    _put(saved, path, model)
    try:
        model_state.set_training(model, saved.training, saved.extra["counts"])
    except (KeyError, ValueError, RuntimeError) as error:
        raise _misfit(path, error) from error
    return saved.extra


def begin_with(path: Path, model: BaseAlgorithm) -> dict[str, Any]:
    """Load what another run learned into a model; return what else its checkpoint says. Raises as `resume`."""
    path = checkpoint.newest(Path(path))
    saved = checkpoint.read(path, KIND)
    _put(saved, path, model)
    return saved.extra


def _put(saved: checkpoint.Saved, path: Path, model: BaseAlgorithm) -> None:
    try:
        model_state.set_weights(model, _part(saved, _POLICY))
        model_state.set_loose(model, _part(saved, _LOOSE))
    except (KeyError, ValueError, RuntimeError) as error:
        raise _misfit(path, error) from error


def _misfit(path: Path, error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(f"{path} does not fit the config ({reason}); give another run folder, or its own options")


def _part(saved: checkpoint.Saved, prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in saved.tensors.items() if k.startswith(prefix)}


def _embedding_of(path: Path, wanted: dict[str, str] | None) -> Path | None:
    if wanted is None:
        return None
    own = path.absolute().parents[1] / EMBEDDING
    if sha256_of(own) != wanted["sha256"]:
        raise CheckpointError(f"{own} is not the embedding that {path} was trained on; copy the whole run folder")
    return own


def _sizes(space: gym.Space) -> Any:
    if isinstance(space, gym.spaces.Dict):
        return {name: _sizes(part) for name, part in space.spaces.items()}
    return list(space.shape or ())


def _space(sizes: Any, bound: float = np.inf) -> gym.Space:
    if isinstance(sizes, dict):
        return gym.spaces.Dict({name: _space(part, bound) for name, part in sizes.items()})
    return gym.spaces.Box(-bound, bound, tuple(sizes), np.float32)
