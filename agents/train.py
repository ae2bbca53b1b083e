"""From a config to a trained agent: what `scripts/train_agent.py` calls."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from agents import checkpoint, prior
from agents.algorithms import build_model
from agents.config import FREE, TrainAgentConfig
from agents.goals import Imagined, Shown
from agents.lesson import Lesson, examined, lesson_of, warn_of_other_video
from agents.recorder import recorder_of
from agents.relabel import RelabellingBuffer
from agents.watch import Watch
from agents.worlds import horizon_of, maker, task_of, vector_of
from agents.wrapper import LearnedVecEnv
from sslctrl import durable
from sslctrl.checkpoint import newest
from sslctrl.errors import InputError, Interrupted
from sslctrl.fit import computes_on
from sslctrl.rng import seed_of
from sslctrl.run import RunDir
from sslctrl.stopping import stop_requests
from sslctrl.store import EpisodeStore

_WARMUP = 1


class _Start(NamedTuple):
    """A model that is ready to learn."""

    model: BaseAlgorithm
    step: int
    """Control steps that are behind it."""


def train_agent(config: TrainAgentConfig) -> Path:
    """Train, and return the folder of the last checkpoint, `<run>/checkpoints/step-...`.

    The run's folder gets config.yaml, run.json, curve.jsonl (step; success, distance_m and return with the ends of
    their intervals), tb/ and a copy of the embedding. A run that has a checkpoint goes on from the newest that
    verifies: weights, optimisers, replay buffer and scales are kept; the worlds start new episodes, and noise is drawn
    anew from seed and step. Raises InputError, DataError, CheckpointError for what is missing or does not fit,
    InputError where a weight is no longer finite, StorageError where the folder cannot be written, Interrupted after
    Ctrl-C or SIGTERM, everything saved, or where a world's process ends by itself, as the last checkpoint was.
    """
    torch.set_num_threads(config.threads)
    recorded = None if config.prior is None else EpisodeStore(config.prior)
    _check(config, recorded)
    embedding = None if config.embedding is None else newest(Path(config.embedding))  # once: its run may go on
    lesson = lesson_of(config, embedding)
    warn_of_other_video(config)
    dataset = "" if recorded is None else recorded.digest()
    with RunDir(config.run, config, config.seed, computes_on(config.device), dataset, FREE):
        durable.make_folder(Path(config.run) / "checkpoints")
        durable.sweep(Path(config.run) / "checkpoints")
        return _go_on_or_begin(config, lesson, embedding, recorded)


def _go_on_or_begin(
    config: TrainAgentConfig, lesson: Lesson, embedding: Path | None, recorded: EpisodeStore | None
) -> Path:
    last = checkpoint.last_step(Path(config.run))
    if last is not None:
        checkpoint.keep_embedding(config, embedding)  # refuses another than it began with, as does the next
        checkpoint.check_goals(last[0], lesson)
        if last[1] >= config.steps:
            return last[0]
    if isinstance(lesson.goals, Imagined) and recorded is not None:
        lesson.goals.look_through(config.camera, recorded, config.seed)
    worlds = None
    try:
        worlds = _worlds(config, lesson, config.n_envs, 0 if last is None else last[1])
        start = _begin(config, lesson, worlds, recorded) if last is None else _go_on(config, lesson, worlds, *last)
        checkpoint.keep_embedding(config, embedding)  # now that nothing else can refuse to begin
        return _learn(config, lesson, start)
    except (EOFError, ConnectionError) as error:  # of the pipe to a world's process
        raise Interrupted(
            f"a world's process has ended ({error!r}): of its own error, where one stands above, else often for want "
            f"of memory; run the same to go on from the last checkpoint in {config.run}, or with fewer n_envs elsewhere"
        ) from error
    finally:
        with contextlib.suppress(EOFError, ConnectionError):
            if worlds is not None:
                worlds.close()


def _learn(config: TrainAgentConfig, lesson: Lesson, start: _Start) -> Path:
    """Train to the last step; measure at intervals and after."""
    model = start.model
    model.num_timesteps = start.step
    _sow(model, lesson, seed_of(config.seed, start.step))
    model.set_logger(configure(str(Path(config.run) / "tb"), ["tensorboard"]))
    worlds = _worlds(config, lesson, min(config.n_envs, config.eval_episodes), None)
    bar = config.progress and sys.stderr.isatty()
    with contextlib.closing(worlds) as exam, stop_requests() as stop:
        watch = Watch(config, lesson, exam, stop, start.step)
        watch.init_callback(model)
        try:
            model.learn(config.steps - start.step, watch, reset_num_timesteps=False, progress_bar=bar)
        except (ValueError, InputError, EOFError, ConnectionError):
            watch.check()  # what is not a number stops the policy's distribution, or its world, first
            raise
        if watch.stopped:
            path = watch.save()
            raise Interrupted(f"stopped at step {watch.learned} of {config.steps}; saved {path}; run the same to go on")
        if config.eval_every and watch.measured < model.num_timesteps:
            watch.measure()
        watch.learned = model.num_timesteps
        path = watch.save(training=False)
        if stop.is_set():
            raise Interrupted(f"stopped after the last step; saved {path}; run the same to go on with what follows")
    model.logger.close()
    return path


def _begin(config: TrainAgentConfig, lesson: Lesson, worlds: VecEnv, recorded: EpisodeStore | None) -> _Start:
    """Build a model whose scales, and whose replay buffer, come from recorded video or from random steps."""
    if recorded is None:
        worlds.seed(seed_of(config.seed, 0, _WARMUP))
        known = prior.of_random_steps(worlds, config.warmup, config.seed)
    else:
        known = prior.of_store(
            recorded.intact(), lesson, config.camera, task_of(config.env_id), horizon_of(config.env_id), config.her,
            config.progress,
        )  # fmt: skip
    scales = prior.scales_of(known)
    model = _model(config, lesson, worlds, len(known.reward) + config.steps + config.n_envs, scales.mean, scales.std)
    begun = None if config.init is None else checkpoint.begin_with(config.init, model)
    lesson.judge.scale = scales.reward if begun is None else begun["reward_scale"]
    known = known._replace(reward=known.reward / lesson.judge.scale)
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, ReplayBuffer):
        prior.fill(buffer, known)
    return _Start(model, 0 if recorded is not None else len(known.reward))


def _go_on(config: TrainAgentConfig, lesson: Lesson, worlds: VecEnv, path: Path, step: int) -> _Start:
    """Build the model that was saved at a step."""
    model = _model(config, lesson, worlds, checkpoint.capacity_of(path))
    lesson.judge.scale = checkpoint.resume(path, model)["reward_scale"]
    return _Start(model, step)


def _sow(model: BaseAlgorithm, lesson: Lesson, seed: int) -> None:
    """Seed noise, imagined goals and the worlds' starts, those of worlds side by side with this and the numbers after.

    seed: 63 bits. Small ones would be the exams' in the end, and half of seed 1's worlds would be seed 0's.
    """
    model.set_random_seed(seed % 2**32)
    assert model.env is not None
    model.env.seed(seed)
    if isinstance(lesson.goals, Imagined):
        lesson.goals.rng.manual_seed(seed)


def _model(
    config: TrainAgentConfig, lesson: Lesson, worlds: VecEnv, capacity: int, mean: Any = None, std: Any = None
) -> BaseAlgorithm:
    spaces = worlds.observation_space, worlds.action_space
    model = build_model(config, spaces, worlds, capacity, mean, std)
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, RelabellingBuffer) and isinstance(lesson.goals, Imagined):
        buffer.imagined = lesson.goals
    return model


def _worlds(config: TrainAgentConfig, lesson: Lesson, count: int, begun: int | None) -> VecEnv:
    """Return worlds to train in from the step `begun` on; None: those of an exam."""
    senses, exam = lesson.senses, begun is None
    goals = examined(lesson.goals, senses) if exam else lesson.goals
    make = maker(
        config.env_id, config.variety, config.camera, senses.size_px, lesson.goal, senses.history,
        isinstance(goals, Shown), None if begun is None else recorder_of(config, senses.size_px, begun),
    )  # fmt: skip
    if config.processes and not exam:
        make().close()  # what is wrong with a world is said here, and not by its process
    side_by_side = vector_of([make] * count, config.processes and not exam)
    return VecMonitor(LearnedVecEnv(side_by_side, senses, lesson.judge, goals, config.her))


def _check(config: TrainAgentConfig, recorded: EpisodeStore | None) -> None:
    if recorded is not None:
        recorded.check_outside(config.run)
    if recorded is not None and (steps := int((recorded.lengths - 1).sum())) < config.n_envs:
        raise InputError(
            f"{config.prior} has {steps} control steps, and n_envs is {config.n_envs}; allowed are as many or more; "
            "give more video, or lower n_envs"
        )
    warmup = -(-config.warmup // config.n_envs) * config.n_envs
    if config.prior is None and warmup >= config.steps:
        raise InputError(f"steps is {config.steps}, and warmup takes {warmup} of them; raise steps, or give a prior")
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda', and torch finds no GPU here; allowed is cpu or auto; change it")
