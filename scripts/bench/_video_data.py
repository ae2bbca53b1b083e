"""What the bench of video tasks learns from: pushes, falls, motion that runs both ways, a controller's motion alone,
stills of grainy film, and real clips.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from envs.collect import collect, record_missing
from envs.collect_config import CollectConfig
from envs.env import RobotEnv
from envs.grasps import ASIDE_M
from envs.tasks.grasp import Grasp
from envs.tray import CENTER_M
from scripts.bench._data import store_of
from scripts.bench._image_parts import CAMERAS, RANDOMIZE
from scripts.bench._video_config import VideoConfig
from sslctrl.clips import Episode
from sslctrl.footage import footage
from sslctrl.store import EpisodeStore

_FALL_STEPS, _FALL_M, _SPREAD_M = 24, (0.05, 0.45), 0.09
_STILL_FRAMES, _GRAIN = 40, 4.0


def stores(data: str, root: Path) -> tuple[EpisodeStore, EpisodeStore]:
    """Return what is learned from, and other episodes, or later parts of the same clips, to test on. Raises DataError
    where real clips were not fetched.
    """
    if not is_recorded(data):
        return store_of(data, "train"), store_of(data, "test")
    return EpisodeStore(root / "video" / data / "train"), EpisodeStore(root / "video" / data / "test")


def is_recorded(data: str) -> bool:
    """Return whether data are recorded here; real clips are not, and stay what they are."""
    return not data.startswith("clips")


def record(folder: Path, config: VideoConfig) -> None:
    """Record what is missing of all but real clips."""
    common: dict[str, Any] = {"steps": 100, "cameras": CAMERAS, "randomize": RANDOMIZE, "workers": config.workers}
    for part, count, seed in (("train", config.tier.learned(60), 0), ("test", config.tier.asked(40), 10_000)):
        pushes = CollectConfig(folder / "sim" / part, "sslctrl/PushVaried-v0", count, seed=seed, **common)
        collect(pushes)
        for name, behavior in (("both_ways", "random"), ("to_and_fro", "play")):
            collect(
                CollectConfig(
                    folder / name / part, "sslctrl/Reach-v0", count, behaviors=(behavior,), seed=seed, **common
                )
            )
        record_missing(partial(fall, seed), folder / "falls" / part, 2 * count, config.workers, "loky")
        record_missing(partial(_grainy, pushes.out), folder / "grainy" / part, 2 * count, 1, "loky")


def fall(seed: int, index: int) -> Episode:
    """Record five objects that fall into the bin and come to rest there, from three sides."""
    env = _bin()
    rng = np.random.default_rng([seed, index, 5])
    env.reset(seed=int(rng.integers(2**31)))
    assert isinstance(env.task, Grasp)
    env.robot.reset(ASIDE_M)
    for thing in env.task.present:
        x, y = np.array(CENTER_M) + rng.uniform(-_SPREAD_M, _SPREAD_M, 2)
        turn = rng.standard_normal(4)
        env.sim.place(thing.name, (x, y, rng.uniform(*_FALL_M)), (turn / np.linalg.norm(turn)).tolist())
    frames = [env.frames()]
    for _ in range(_FALL_STEPS):
        env.sim.step()
        frames.append(env.frames())
    return footage(np.stack(frames, axis=1), CAMERAS)


def _grainy(source: Path, index: int) -> Episode:
    """Return one frame of a recording over and over, each time with other noise: frames that are equal bit for bit
    would leave nothing to tell them apart by, whatever leaks.
    """
    store = EpisodeStore(source)
    frames = store.read(store.ids[index % len(store)]).frames[:, 10 + index // len(store)]
    still = np.repeat(frames[:, None], _STILL_FRAMES, axis=1)
    grain = np.random.default_rng([index, 9]).normal(0, _GRAIN, still.shape)
    return footage((still + grain).round().clip(0, 255).astype(np.uint8), store.cameras)


@lru_cache(maxsize=1)
def _bin() -> RobotEnv:
    return RobotEnv("grasp", "train", randomize=RANDOMIZE, cameras=CAMERAS)
