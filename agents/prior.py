"""What is known before the first gradient step: transitions of recorded video, or of random steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecEnv
from tqdm import tqdm

from agents.goals import Goals, Imagined, Shown
from agents.lesson import Lesson
from agents.senses import Percept, Senses
from agents.standardize import SEEN
from agents.wrapper import goal_observation
from envs.tasks.base import Task
from sslctrl.clips import Episode
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from sslctrl.views import goal_picture, square, view_of

Observation = dict[str, np.ndarray]


class Transitions(NamedTuple):
    """N transitions, episode after episode. Flat observations stand under ``observation``."""

    before: Observation
    """float32 (N, ...) each."""
    after: Observation
    """float32 (N, ...) each; where an episode ended, its last moment."""
    action: np.ndarray
    """float32 (N, A) in [-1, 1]."""
    reward: np.ndarray
    """float32 (N,)."""
    ended: np.ndarray
    """bool (N,): the last of an episode; none of them is a terminal state."""


class Scales(NamedTuple):
    """What makes inputs and rewards of the order of one."""

    mean: np.ndarray
    """float32 (I,) of a policy's input."""
    std: np.ndarray
    """float32 (I,), never 0."""
    reward: float
    """Mean size of the reward."""


def of_store(
    store: EpisodeStore,
    lesson: Lesson,
    camera: str,
    task: Task,
    horizon: int,
    goal_policy: bool = False,
    progress: bool = False,
) -> Transitions:
    """Return the transitions of recorded video, seen through one camera and rewarded anew.

    Episodes longer than the world's limit, ``horizon`` steps, count as several, one after another. The true goal is the
    lesson's; where that has none, each episode's own. Raises InputError where the video is of another world or camera,
    or lacks the true state and the lesson asks for it.
    """
    parts, senses = [], lesson.senses
    for id in tqdm(store.ids, desc="prior video", unit="episode", disable=None if progress else True):
        episode = store.read(id)
        _check(episode, task, senses, f"episode {id} of {store.root}")
        frames = None
        if senses.size_px:
            frames = view_of(episode, camera, senses.size_px, str(store.root))
        pursued = goal_picture(episode, camera)
        for start in range(0, len(episode.action), horizon):
            parts.append(_stretch(episode, frames, pursued, start, horizon, lesson, task, goal_policy))
    return _joined(parts)


def of_random_steps(env: VecEnv, steps: int, seed: int) -> Transitions:
    """Return the transitions of uniformly random actions in the learner's worlds: ``steps`` or a few more."""
    rng = np.random.default_rng([seed, 1])
    count = -(-steps // env.num_envs)
    now = _named(env.reset())
    columns: dict[str, list[np.ndarray]] = {}
    for index in range(count):
        action = rng.uniform(-1, 1, (env.num_envs, *(env.action_space.shape or ()))).astype(np.float32)
        observation, reward, done, infos = env.step(action)
        then = _named(observation)
        last = {name: values.copy() for name, values in then.items()}
        for i in np.flatnonzero(done):
            for name, value in _named(infos[i]["terminal_observation"]).items():
                last[name][i] = value
        step = {f"before/{name}": values for name, values in now.items()}
        step |= {f"after/{name}": values for name, values in last.items()}
        step |= {"action": action, "reward": reward, "ended": done | (index == count - 1)}
        for name, values in step.items():
            columns.setdefault(name, []).append(np.array(values))
        now = then
    flat = {name: np.stack(values, axis=1).reshape(-1, *values[0].shape[1:]) for name, values in columns.items()}
    before, after = ({name: flat[f"{side}/{name}"] for name in now} for side in ("before", "after"))
    return Transitions(before, after, flat["action"], flat["reward"], flat["ended"])


def scales_of(known: Transitions) -> Scales:
    """Return the scales of inputs and rewards; goals have those of what is achieved."""
    names = SEEN if "desired_goal" in known.before else ("observation",)
    inputs = [known.before["achieved_goal" if name == "desired_goal" else name] for name in names]
    std = np.concatenate([values.std(axis=0, dtype=np.float64) for values in inputs])
    size = float(np.abs(known.reward).mean(dtype=np.float64))
    return Scales(
        np.concatenate([values.mean(axis=0, dtype=np.float64) for values in inputs]).astype(np.float32),
        np.where(std > 1e-6, std, 1.0).astype(np.float32),
        size if size > 1e-12 else 1.0,
    )


def fill(buffer: ReplayBuffer, known: Transitions) -> int:
    """Put transitions into a replay buffer and return how many: all but fewer than it has worlds.

    Each world's column takes one stretch; an episode that is cut at the end of a column counts as two.
    """
    rows = min(len(known.reward) // buffer.n_envs, buffer.buffer_size)
    for row in range(rows):
        at = row + rows * np.arange(buffer.n_envs)
        done = known.ended[at] | (row == rows - 1)
        infos = [{"TimeLimit.truncated": bool(end)} for end in done]
        before, after = (_unnamed({k: v[at] for k, v in side.items()}) for side in (known.before, known.after))
        buffer.add(before, after, known.action[at], known.reward[at], done, infos)  # type: ignore[arg-type]
    return rows * buffer.n_envs


def _stretch(
    episode: Episode,
    frames: np.ndarray | None,
    pursued: np.ndarray | None,
    start: int,
    horizon: int,
    lesson: Lesson,
    task: Task,
    goal_policy: bool,
) -> Transitions:
    """Return the transitions of one stretch of an episode, as long as the world's limit or what is left."""
    span = slice(start, min(start + horizon, len(episode.action)) + 1)
    state, senses = np.asarray(episode.state[span], np.float32), lesson.senses
    unknown = np.zeros((len(state), 0), np.float32)  # where nothing asks for it: in video of a real robot it is
    raw = {
        "proprio": episode.proprio[span],
        "state": state,
        "time": (np.arange(len(state), dtype=np.float32) / horizon)[:, None],
        "achieved_goal": unknown,
        "desired_goal": unknown,
    }
    if senses.need_state:
        achieved = np.asarray(task.achieved_goal(state), np.float32)
        goal = episode.meta.get("goal") if lesson.goal is None else lesson.goal
        desired = achieved[-1] if goal is None else np.asarray(goal, np.float32)
        raw |= {"achieved_goal": achieved, "desired_goal": np.broadcast_to(desired, achieved.shape)}
    if frames is not None:
        raw["pixels"] = senses.history.of(frames[span])
    percept = senses(raw)
    towards = _towards(lesson.goals, raw, percept, senses, pursued)
    reward = lesson.judge(percept.achieved[:-1], percept.achieved[1:], towards[1:])
    seen_before = np.concatenate([percept.seen[:1], percept.seen[:-1]])
    observation = senses.observation(raw, percept.seen, seen_before)
    given = goal_observation(observation, percept.achieved, towards) if goal_policy else {"observation": observation}
    ended = np.arange(1, len(state)) == len(state) - 1
    action = np.clip(episode.action[span.start : span.stop - 1], -1, 1)
    return Transitions(
        {k: v[:-1] for k, v in given.items()}, {k: v[1:] for k, v in given.items()}, action, reward, ended
    )


def _towards(
    goals: Goals, raw: Observation, percept: Percept, senses: Senses, pursued: np.ndarray | None
) -> np.ndarray:
    """Return the goals (T, D) of a stretch's moments: where goals are shown, where it ended; where they are imagined,
    what was pursued, encoded anew.
    """
    if isinstance(goals, Shown):  # and not what was pursued, which may have been imagined, without the robot
        return np.broadcast_to(percept.achieved[-1], percept.achieved.shape)
    first = {name: values[:1] for name, values in raw.items()}
    if isinstance(goals, Imagined) and pursued is not None:
        begun = senses.goal({**first, "goal_pixels": square(pursued[None], senses.size_px or len(pursued))})
    else:
        begun = goals.begin(first)
    return goals.now(raw, np.repeat(begun, len(raw["time"]), axis=0))


def _check(episode: Episode, task: Task, senses: Senses, what: str) -> None:
    proprio, action = episode.proprio.shape[1], episode.action.shape[1]
    if proprio != task.proprio_size or action != len(task.action_names):
        raise InputError(
            f"{what} has {proprio} numbers of proprioception and {action} of action, this world "
            f"{task.proprio_size} and {len(task.action_names)}; allowed is video of the same robot and task"
        )
    if senses.need_state and episode.state.shape[1] != len(task.state_names):
        raise InputError(
            f"{what} has {episode.state.shape[1]} numbers of true state, this world {len(task.state_names)}; allowed "
            "is video whose true state is known, or what asks for none: observe=embedding, reward_from=embedding"
        )


def _joined(parts: list[Transitions]) -> Transitions:
    before, after = (
        {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}
        for sides in ([part.before for part in parts], [part.after for part in parts])
    )
    return Transitions(
        before,
        after,
        np.concatenate([part.action for part in parts]),
        np.concatenate([part.reward for part in parts]),
        np.concatenate([part.ended for part in parts]),
    )


def _named(observation: Any) -> Observation:
    return dict(observation) if isinstance(observation, dict) else {"observation": observation}


def _unnamed(observation: Observation) -> Observation | np.ndarray:
    return observation if len(observation) > 1 else observation["observation"]
