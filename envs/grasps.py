"""Grasps on video: the bin before and after, and what the gripper holds (Grasp2Vec, arXiv 1811.06964, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from envs.cameras import Camera
from envs.collect import check_kept, record_missing, versions
from envs.env import RobotEnv
from envs.grasps_config import GraspsConfig
from envs.tasks.grasp import AWAY_M, IN_BIN, LIFTED_Z_M, POSE, Grasp
from envs.tray import CENTER_M
from sslctrl.clips import Episode
from sslctrl.store import EpisodeStore

SHOW_M = (CENTER_M[0], 0.0, 0.30)  # where the gripper shows what it holds
ASIDE_M = (0.10, -0.45, 0.50)  # where the arm is out of the bin's picture
ABOVE = Camera("above", (CENTER_M[0], 0.0, 0.75), (CENTER_M[0], 0.0, 0.0), (1.0, 0.0, 0.0), 0.40)
_HALF_M = float(np.tan(ABOVE.fov_rad / 2) * ABOVE.eye_m[2])  # of the floor that it sees
CLOSE = Camera("close", (SHOW_M[0] + 0.24, 0.0, 0.42), (SHOW_M[0], 0.0, 0.285), fov_rad=0.42)
TRY_STEPS = 14  # one attempt; those that come later drag the object about
UP_STEPS, SHOW_STEPS, STEP_M, STEP_RAD = 4, 10, 0.05, 0.2  # up first, and slowly round: what slips falls where it was
LIFTED_M = 0.01  # from here on an object goes with the hand
HELD_Z_M = 0.2  # an object this high is in the gripper
BESIDE_M, BESIDE_RAD = 0.025, 0.6  # standard deviations of where a grasp aims that aims beside


class Attempt(NamedTuple):
    """What came of one grasp."""

    present: tuple[str, ...]
    """The names of the five objects; the first is the one that the episode is about."""
    grasped: str | None
    """Which of them is in the gripper."""


Aim = Callable[[np.ndarray, tuple[str, ...]], tuple[np.ndarray, float | None]]
"""Says where to grasp, (2,) m, and at which angle, rad; None: at that of the object nearest to there. It is shown the
bin from above, uint8 (H, W, 3), and the names of what is in it."""


def collect_grasps(config: GraspsConfig) -> EpisodeStore:
    """Record until the folder holds `config.grasps`; a run that was killed goes on where it was.

    Raises InputError where the folder holds another recording, and StorageError where it cannot be written.
    """
    check_kept(config.out, config.recording)
    record = partial(record_grasp, config)
    return record_missing(record, config.out, config.grasps, config.workers, config.backend, unit="grasp")


def record_grasp(config: GraspsConfig, index: int) -> Episode:
    """Record one grasp: the same arrays for the same configuration and index, on the same machine and versions.

    One view, three frames: the bin before (the arm out of view), the bin after (the arm out of view, what was grasped
    gone) and the outcome, the gripper seen closely. The first action is where the grasp aimed: x and y in m from the
    bin's centre, and the angle in rad. meta: `grasped`, an object's name or null; `present`, the names of all five.
    """
    env, task, rng = _begin(config, index)
    names = [thing.name for thing in task.present]
    above, seen = _look_from_above(env, task, config.size_px)
    aim = rng.standard_normal(3) * (BESIDE_M, BESIDE_M, BESIDE_RAD) * (rng.random() < config.miss)
    target = env.state[[9, 10, 12]] + aim
    _try(env, task, 0, aim)
    outcome, held = env.look_through((CLOSE,), config.size_px), _held(env, task)
    shown = task.state(env.sim, env.robot)
    if held is not None:
        env.sim.place(held, AWAY_M)
    env.robot.reset(ASIDE_M)
    states = [seen, task.state(env.sim, env.robot), shown]
    frames = [above, env.look_through((ABOVE,), config.size_px), outcome]
    action = np.zeros((2, 3), np.float32)
    action[0] = target - (*CENTER_M, 0.0)
    state = np.array(states, np.float32)
    return Episode(
        frames=np.stack(frames, axis=1),
        state=state,
        proprio=state[:, : task.proprio_size],
        action=action,
        reward=np.array([0.0, held is not None], np.float32),
        meta={
            "env_id": config.recording["env_id"],
            "seed": _seed(config, index),
            "variety": config.variety,
            "recording": config.recording,
            "cameras": [ABOVE.name],
            "state_names": list(task.state_names),
            "action_names": ["aim_x_m", "aim_y_m", "aim_rad"],
            "versions": versions(),
            "success": held is not None,
            "grasped": held,
            "present": names,
            "length": 2,
        },
    )


def attempt(variety: str, seed: int, aim: Aim, size_px: int = 64) -> Attempt:
    """Begin the episode of a seed, grasp where `aim` says, and return what came of it: a pure function of these."""
    env, task = _started(variety, seed)
    present = tuple(thing.name for thing in task.present)
    frames, state = _look_from_above(env, task, size_px)
    place, angle_rad = aim(frames[0], present)
    objects = state[task.proprio_size :].reshape(IN_BIN, -1)
    index = int(np.linalg.norm(objects[:, :2] - place, axis=1).argmin())
    turn = 0.0 if angle_rad is None else angle_rad - objects[index, 3]
    _try(env, task, index, np.array([*(place - objects[index, :2]), turn]))
    return Attempt(present, _held(env, task))


def present_in(variety: str, seed: int) -> tuple[str, ...]:
    """Return the names of the five objects in the episode of a seed, as an attempt there has them."""
    return tuple(thing.name for thing in _started(variety, seed)[1].present)


def masks(config: GraspsConfig, index: int) -> dict[str, np.ndarray]:
    """Return where each object is seen in a recorded grasp's first frame: bool (size_px, size_px) by name."""
    env, task, _ = _begin(config, index)
    env.robot.reset(ASIDE_M)
    seen = env.segmentation(ABOVE, config.size_px)
    return {thing.name: seen == env.renderer.bodies.index(thing.name) for thing in task.present}


def picture_to_bin(place: np.ndarray) -> np.ndarray:
    """Return where on the bin's floor places in the picture from above lie: (..., 2) of x to the right and y down, from
    -1 to 1, to (..., 2) m.
    """
    return CENTER_M - _HALF_M * np.asarray(place)[..., ::-1]


def bin_to_picture(xy_m: np.ndarray) -> np.ndarray:
    """Return the inverse of :func:`picture_to_bin`."""
    return (CENTER_M - np.asarray(xy_m))[..., ::-1] / _HALF_M


def _look_from_above(env: RobotEnv, task: Grasp, size_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin (1, H, W, 3) and the state (S,) with the arm aside, and leave the arm where it was."""
    start, yaw = env.robot.tip()[0], env.robot.yaw()
    env.robot.reset(ASIDE_M)
    seen = env.look_through((ABOVE,), size_px), task.state(env.sim, env.robot)
    env.robot.reset(start, yaw)
    return seen


def _try(env: RobotEnv, task: Grasp, index: int, aim: np.ndarray) -> None:
    """Grasp at an object's pose displaced by an aim (x, y, angle), lift, and show. The target has index 0.

    An object that a finger pushes aside is not followed.
    """
    at = task.proprio_size + len(POSE) * index
    pose = env.state[at : at + 4] + np.insert(aim, 2, 0.0)
    above = np.array([*pose[:2], LIFTED_Z_M])
    for _ in range(TRY_STEPS):
        believed = env.state
        lifted = believed[at + 2] > pose[2] + LIFTED_M
        believed[9:13] = pose
        if lifted:
            believed[9:12] = believed[:3]  # it is where the hand is
        env.step(task.expert(believed, above).astype(np.float32))
        if env.state[at + 2] > HELD_Z_M / 2:
            break
    for step in range(UP_STEPS + SHOW_STEPS):
        tip, yaw = env.robot.tip()[0], env.robot.yaw()
        way = np.subtract(SHOW_M, tip) * (1.0 if step >= UP_STEPS else (0.0, 0.0, 1.0))
        env.robot.move(tip + np.clip(way, -STEP_M, STEP_M), yaw - np.clip(yaw, -STEP_RAD, STEP_RAD), 0.0)
        env.sim.step()


def _held(env: RobotEnv, task: Grasp) -> str | None:
    heights = {thing.name: env.sim.pose(thing.name)[0][2] for thing in task.present}
    highest = max(heights, key=lambda name: heights[name])
    return highest if heights[highest] > HELD_Z_M else None


def _begin(config: GraspsConfig, index: int) -> tuple[RobotEnv, Grasp, np.random.Generator]:
    begun = _started(config.variety, _seed(config, index), config.recolor)
    return *begun, np.random.default_rng([config.seed, index, 1])


def _started(variety: str, seed: int, recolor: float = 0.0) -> tuple[RobotEnv, Grasp]:
    env = _world(variety)
    assert isinstance(env.task, Grasp)
    env.task.recolor = recolor
    env.reset(seed=seed)
    return env, env.task


def _seed(config: GraspsConfig, index: int) -> int:
    return int(np.random.SeedSequence([config.seed, index, 2]).generate_state(1)[0])


@lru_cache(maxsize=1)
def _world(variety: str) -> RobotEnv:
    """A worker keeps its world between grasps: a reset is bit-equal to a new one."""
    return RobotEnv("grasp", variety, cameras=("top",))  # type: ignore[arg-type]
