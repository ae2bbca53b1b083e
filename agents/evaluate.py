"""What policies are worth on the true task: what `scripts/evaluate.py` calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from scipy.stats import binomtest
from stable_baselines3.common.vec_env import VecEnv

from agents.checkpoint import Agent, load, sha256_of
from agents.config import EvaluateConfig, Variety
from agents.goals import Desired, Goals, Shown
from agents.judge import Judge, TrueDistance
from agents.play import Outcome, Policy, acting, at_random, do_nothing, expert, play
from agents.recorder import Recorder
from agents.senses import Senses
from agents.worlds import demonstration, maker, task_of, true_goal, variety_in, vector_of
from agents.wrapper import LearnedVecEnv
from envs.collect import check_kept
from sslctrl import durable
from sslctrl.checkpoint import newest
from sslctrl.errors import CheckpointError, DataError, InputError
from sslctrl.run import start_record, write_atomically
from sslctrl.store import EpisodeStore

RESAMPLES = 2000
_FILE = "evaluation.json"


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Play the same starts with each policy, write `<out>/evaluation.json`, and return what it says: of which agent,
    where, and what came of it.

    For each policy: `success` (rate) and `distance_m` (true, at the end), each with `value`, `low`, `high` (95 %, as
    `share` and `interval` say), every episode's own numbers, and the commit that measured it. Policies that were
    measured there before stay, where all else is the same. Raises InputError, where the folder is of something else,
    too, CheckpointError, DataError or StorageError.
    """
    torch.set_num_threads(config.threads)
    durable.make_folder(Path(config.out))
    agent = None if config.agent is None else load(config.agent, config.allow)
    config = _as_learned(config, agent)
    goal = _goal(config, agent)
    for name in config.policies:
        check_kept(Path(config.out) / name, _recording(config, name, goal))
    results: dict[str, Any] = {
        "start": start_record(),
        "agent": None if config.agent is None else _identity(config.agent),
        "env_id": config.env_id,
        "variety": config.variety,
        "camera": config.camera,
        "randomize": config.randomize,
        "orbit_rad": config.orbit_rad,
        "goal_m": None if goal is None else goal.tolist(),
        "episodes": config.episodes,
        "seed": config.seed,
    }
    results["policies"] = _measured_before(Path(config.out) / _FILE, results)
    for name in config.policies:
        env = _world(config, name, agent, goal)
        try:
            outcomes = play(env, _policy(name, agent), config.seed, config.episodes, progress=name)
        finally:
            env.close()
        results["policies"][name] = {**summary(outcomes, config.seed), "commit": results["start"]["commit"]}
        write_atomically(Path(config.out) / _FILE, json.dumps(results, indent=2, allow_nan=False) + "\n")
        if config.record:
            _record(config, name, agent, goal)
    return results


def world_for(
    agent: Agent,
    variety: Variety = "",
    camera: str = "",
    randomize: float = 0.0,
    orbit_rad: float = 0.0,
) -> VecEnv:
    """Return one world, vectorised, as an agent sees it: what `agent.model.predict` takes is what it returns. What is
    left out is as the agent learned. Raises InputError, or CheckpointError for an agent of another version.
    """
    where = EvaluateConfig(
        Path(), variety=variety, camera=camera, randomize=randomize, orbit_rad=orbit_rad, policies=()
    )
    return _world(_as_learned(where, agent), "agent", agent, agent.goal)


def summary(outcomes: Sequence[Outcome], seed: int) -> dict[str, Any]:
    """Return success rate and mean final distance with intervals, and each episode's."""
    success = [one.success for one in outcomes]
    distance = [one.distance_m for one in outcomes]
    return {
        "success": share(success),
        "distance_m": interval(distance, seed),
        "each": {"success": success, "distance_m": distance},
    }


def share(successes: Sequence[bool]) -> dict[str, float | int]:
    """Return the share that succeeded and Wilson's 95 % interval (JASA 1927): {value, low, high, n}. Bootstrapped, it
    would be nothing wide where all succeed, or none.
    """
    found = binomtest(sum(successes), len(successes)).proportion_ci(method="wilson")
    return {"value": float(np.mean(successes)), "low": found.low, "high": found.high, "n": len(successes)}


def interval(values: Sequence[float], seed: int, statistic: Callable[..., Any] = np.mean) -> dict[str, float | int]:
    """Return a statistic, by default the mean, and its own bootstrap 95 % interval: {value, low, high, n}."""
    array = np.asarray(values, np.float64)
    rng = np.random.default_rng([seed, 3])
    draws = statistic(array[rng.integers(len(array), size=(RESAMPLES, len(array)))], axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"value": float(statistic(array)), "low": float(low), "high": float(high), "n": len(array)}


def _as_learned(config: EvaluateConfig, agent: Agent | None) -> EvaluateConfig:
    """Return what is measured, with all that was left to the agent."""
    if agent is None:
        if config.camera:
            raise InputError(f"camera is {config.camera!r}, and no agent is given to see through it; leave it out")
        own = {"env_id": "sslctrl/Push-v0"}
    else:
        own = {"env_id": agent.config.env_id, "variety": agent.config.variety, "camera": agent.config.camera}
        if config.env_id not in ("", agent.config.env_id):
            raise InputError(
                f"the agent acts in {agent.config.env_id}, asked for is {config.env_id}; allowed is its own world; "
                "leave env_id out"
            )
    learned = replace(config, **{name: value for name, value in own.items() if not getattr(config, name)})
    return replace(learned, variety=variety_in(learned.env_id, learned.variety))


def _goal(config: EvaluateConfig, agent: Agent | None) -> np.ndarray | None:
    learned = None if agent is None else agent.goal
    if config.demonstration is None:
        return learned
    goal = true_goal(demonstration(config.demonstration), task_of(config.env_id))
    told = agent is not None and agent.config.her and isinstance(agent.goals, Desired)  # the world tells it where to go
    if "agent" in config.policies and not (learned is None or told or np.allclose(goal, learned)):
        raise InputError(
            f"{config.demonstration} ends at {goal.round(3).tolist()}, and the agent learned to go to "
            f"{learned.round(3).tolist()}; allowed is a demonstration that ends there; give that or none"
        )
    return goal


def _measured_before(path: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says of policies at the same starts; nothing, where there is no file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
        there, asked = ({**one, "agent": (one["agent"] or {}).get("sha256")} for one in (found, asked))
        policies = dict(found["policies"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no evaluation ({error!r}); give another folder, or move the file") from error
    for name, value in asked.items():
        if name != "start" and there.get(name) != value:
            raise InputError(
                f"{path} is of {name} {there.get(name)}, asked for is {value}; give another folder, or move the file"
            )
    return policies


def _policy(name: str, agent: Agent | None) -> Policy:
    fixed: dict[str, Policy] = {"do_nothing": do_nothing, "random": at_random, "expert": expert}
    return acting(agent.model) if name == "agent" and agent is not None else fixed[name]


def _world(
    config: EvaluateConfig, name: str, agent: Agent | None, goal: np.ndarray | None, inside: Any = None
) -> VecEnv:
    """Return the world as a policy sees it: only an agent looks through a camera. One alone: in batches of another size
    nets round otherwise, and contacts make much of that: two centimetres at an episode's end.
    """

    def seen_by(senses: Senses, judge: Judge, goals: Goals, her: bool, camera: str | None) -> VecEnv:
        make = maker(
            config.env_id, config.variety, camera, senses.size_px, goal, senses.history, isinstance(goals, Shown),
            inside, inside is not None, config.randomize, config.orbit_rad,
        )  # fmt: skip
        return LearnedVecEnv(vector_of([make]), senses, judge, goals, her)

    if name != "agent" or agent is None:
        return seen_by(Senses(None, None), Judge(TrueDistance(task_of(config.env_id))), Desired(), False, None)
    world = seen_by(agent.senses, agent.judge, agent.goals, agent.config.her, config.camera)
    if world.observation_space != agent.model.observation_space:
        raise CheckpointError(
            f"the agent learned to see {agent.model.observation_space}, and would be shown "
            f"{world.observation_space}; allowed are agents that this version trained; train it again"
        )
    return world


def _recording(config: EvaluateConfig, name: str, goal: np.ndarray | None) -> dict[str, Any]:
    """Return what a policy's films are of, beside their starts."""
    recording: dict[str, Any] = {
        "env_id": config.env_id, "variety": config.variety, "policy": name, "seed": config.seed,
        "randomize": config.randomize, "orbit_rad": config.orbit_rad,
        "goal_m": None if goal is None else goal.tolist(),
    }  # fmt: skip
    if config.record:
        recording["size_px"] = config.record_px
    if name == "agent" and config.agent is not None:
        recording["agent"], recording["camera"] = _identity(config.agent)["sha256"], config.camera
    return recording


def _identity(agent: Path) -> dict[str, str]:
    """Return which checkpoint an agent is, and the hash of its weights."""
    path = newest(Path(agent))
    return {"checkpoint": str(path), "sha256": sha256_of(path)}


def _record(config: EvaluateConfig, name: str, agent: Agent | None, goal: np.ndarray | None) -> None:
    """Play the first starts again before all cameras; what is recorded there already is kept."""
    store = EpisodeStore(Path(config.out) / name, create=True)
    missing = config.record - len(store)
    if missing <= 0:
        return
    recording = _recording(config, name, goal)
    about = {**recording, "recording": recording, "versions": {}}

    def inside(env: gym.Env) -> gym.Env:
        return Recorder(env, store, config.record_px, about)

    env = _world(config, name, agent, goal, inside)
    try:
        play(env, _policy(name, agent), config.seed + len(store), missing, progress=f"{name}, video")
    finally:
        env.close()
