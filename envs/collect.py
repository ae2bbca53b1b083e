"""Recording: every episode is a pure function of (configuration, index), whatever the number of workers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import joblib
import numpy as np
from tqdm import tqdm

from envs import EPISODE_STEPS, registered
from envs.behaviors import BEHAVIORS
from envs.collect_config import CollectConfig
from envs.env import RobotEnv, world_of
from envs.recording import episode_of
from envs.render import check_size
from sslctrl.clips import Episode
from sslctrl.errors import InputError, Interrupted, check_among
from sslctrl.store import EpisodeStore


def collect(config: CollectConfig) -> EpisodeStore:
    """Record until the folder holds ``config.episodes`` episodes; a run that was killed goes on where it was.

    Raises InputError for unknown names, or where the folder holds another recording, and StorageError where it cannot
    be written.
    """
    _check(config)
    check_kept(config.out, config.recording)
    return record_missing(partial(record_episode, config), config.out, config.episodes, config.workers, config.backend)


def check_kept(out: Path, recording: Mapping[str, Any], id: str | None = None) -> None:
    """Raise InputError where an episode that is there, by default the first, is of another recording."""
    if not Path(out).is_dir() or not len(store := EpisodeStore(out)):
        return
    meta = store.read(id or store.ids[0]).meta
    recorded = meta.get("recording")
    found = {"env_id": meta.get("env_id", "unknown")} | (recorded if isinstance(recorded, dict) else {})
    for name, value in recording.items():
        if found.get(name, value) != value:
            raise InputError(
                f"{out} was recorded with {name} {found[name]}, asked for is {value}; give another folder, or "
                "the options of the recording that is to go on"
            )


def record_missing(
    record: Callable[[int], Episode], out: Path, count: int, workers: int, backend: str, unit: str = "episode"
) -> EpisodeStore:
    """Record until a folder holds `count` episodes, in parallel; `record` makes the one of an index."""
    how = "list" if _is_ray(backend) else "generator_unordered"  # which Ray's has not: its bar waits for the end
    there = set(EpisodeStore(out, create=True).ids)
    missing = [i for i in range(count) if _id(i) not in there]
    jobs = (joblib.delayed(_add)(out, record, i) for i in missing)
    parallel = joblib.Parallel(n_jobs=workers, backend=backend, return_as=how)
    try:
        for _ in tqdm(parallel(jobs), total=len(missing), desc="video", unit=unit, disable=None):
            pass
    except BrokenProcessPool as error:
        raise Interrupted(
            "a worker has ended, often for want of memory; what was recorded is kept; run the same to go on, here with "
            "fewer workers"
        ) from error
    return EpisodeStore(out)


def _is_ray(backend: str) -> bool:
    """Tell whether a backend is Ray's, and make it known to joblib. Raises InputError where it is not installed."""
    if backend == "ray":
        try:
            from ray.util.joblib import register_ray  # type: ignore[import-not-found]
        except ImportError as error:
            raise InputError(
                "backend is 'ray', which is not installed; allowed is loky without it; choose that, or "
                "pip install -e '.[ray]'"
            ) from error
        register_ray()
    return backend == "ray"


def record_episode(config: CollectConfig, index: int) -> Episode:
    """Record one episode: the same arrays for the same configuration and index, on the same machine and versions.

    Rewards are for the goal of the moment; meta has the last one, and whether it was reached.
    """
    env, limit = _environment(config)
    seed = int(np.random.SeedSequence([config.seed, index]).generate_state(1)[0])
    rng = np.random.default_rng([config.seed, index, 1])
    behavior = config.behaviors[index % len(config.behaviors)]
    env.reset(seed=seed, options={} if config.goal is None else {"goal": config.goal})
    behave = BEHAVIORS[behavior](env, rng)
    frames, depth, states, actions, rewards = [], [], [env.state], [], []
    _look(env, config, frames, depth)
    info: dict[str, Any] = {}
    for _ in range(limit if config.steps is None else config.steps):
        action = behave().astype(np.float32)
        _, reward, _, _, info = env.step(action)
        _look(env, config, frames, depth)
        states.append(env.state)
        actions.append(action)
        rewards.append(reward)
    about = {
        "env_id": config.env_id,
        "seed": seed,
        "variety": config.variety,
        "recording": config.recording,
        "behavior": behavior,
        "success": info["is_success"],
        "versions": versions(),
    }
    return episode_of(env, frames, states, actions, rewards, about, depth)


def _look(env: RobotEnv, config: CollectConfig, frames: list[np.ndarray], depth: list[np.ndarray]) -> None:
    if not config.depth:
        frames.append(env.frames(config.size_px))
        return
    for kept, seen in zip((frames, depth), env.frames_and_depth(config.size_px), strict=True):
        kept.append(seen)


def _add(out: Path, record: Callable[[int], Episode], index: int) -> None:
    episode, store = record(index), EpisodeStore(out)
    try:
        store.add(episode, _id(index))
    except InputError:
        if not (store.root / _id(index)).exists():
            raise
        check_kept(out, episode.meta.get("recording", {}), _id(index))  # another process records the same


@cache
def versions() -> dict[str, str]:
    """Return the versions that decide what is recorded."""
    return {name: importlib.metadata.version(name) for name in ("pybullet", "gymnasium", "numpy")}


def _id(index: int) -> str:
    return f"{index:06d}"


def _environment(config: CollectConfig) -> tuple[RobotEnv, int]:
    return _cached_environment(config.env_id, config.variety, config.randomize, config.orbit_rad, config.cameras)


@lru_cache(maxsize=1)
def _cached_environment(
    env_id: str, variety: str, randomize: float, orbit_rad: float, cameras: tuple[str, ...]
) -> tuple[RobotEnv, int]:
    """A worker keeps its world between episodes: a reset is bit-equal to a new one."""
    env = gym.make(env_id, variety=variety, randomize=randomize, orbit_rad=orbit_rad, cameras=cameras)
    return world_of(env), registered(env_id).max_episode_steps or EPISODE_STEPS


def _check(config: CollectConfig) -> None:
    for behavior in config.behaviors:
        check_among(BEHAVIORS, behavior=behavior)
        if config.goal is not None and BEHAVIORS[behavior].own_goals:
            raise InputError(
                f"a goal is given, and {behavior} chooses goals of its own; allowed are behaviors that keep to one; "
                "choose random or expert, or leave the goal out"
            )
    registered(config.env_id)
    env, _ = _environment(config)  # refuses cameras and strengths here, before a folder is made
    check_size(config.size_px)
    if config.goal is not None:
        env.set_goal(np.array(config.goal))
