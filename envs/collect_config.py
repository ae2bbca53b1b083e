"""What a recording is made of. Kept apart from the recording so that a `--help` loads no physics."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envs import CAMERAS
from sslctrl.errors import InputError, check_least

Backend = Literal["loky", "ray"]


@dataclass(frozen=True)
class CollectConfig:
    """What to record, and where to. Raises InputError for a value that cannot be."""

    out: Path
    """Folder of the episodes; those that are there already are kept and not recorded again."""
    env_id: str = "sslctrl/Push-v0"
    """Gymnasium id of the world."""
    episodes: int = 100
    """How many episodes the folder shall hold."""
    steps: int | None = None
    """Control steps of an episode; by default the world's own limit."""
    behaviors: tuple[str, ...] = ("play",)
    """Who drives, in turn: random, expert, noisy (the expert, disturbed), play (push, go home, push again)."""
    variety: Literal["fixed", "train", "heldout"] = "train"
    """Where colours and shapes come from."""
    cameras: tuple[str, ...] = CAMERAS
    """Names of the rig's cameras."""
    size_px: int = 64
    """Side of the square frames."""
    randomize: float = 0.0
    """Strength of the randomisation of light, colours and cameras, 0 to 1."""
    orbit_rad: float = 0.0
    """How far, at most, each episode carries each camera round the workspace, either way, radians."""
    depth: bool = False
    """Record each frame's depth as well."""
    goal: tuple[float, ...] | None = None
    """One goal for all episodes, metres, with behaviors that keep to it: random, expert; by default each draws its
    own."""
    seed: int = 0
    """Episode i depends on this and i alone."""
    workers: int = 2
    """Processes."""
    backend: Backend = "loky"
    """joblib's backend; ray: several machines that share the folder, with `pip install -e '.[ray]'`."""

    def __post_init__(self) -> None:
        check_least(1, episodes=self.episodes, workers=self.workers, steps=1 if self.steps is None else self.steps)
        check_least(0, seed=self.seed)
        check_least(8, size_px=self.size_px)
        for name in ("behaviors", "cameras"):
            if not getattr(self, name):
                raise InputError(f"{name} is empty; allowed is one or more; name one")

    @property
    def recording(self) -> dict[str, Any]:
        """What each episode is a function of, beside its number: no folder, count or processes; as JSON has it."""
        return recording_of(self, "episodes")


def recording_of(config: Any, count: str) -> dict[str, Any]:
    """Return the fields of a config that decide what an episode is, as JSON has them; `count`: that of how many."""
    left_out = {"out", "workers", "backend", count}
    return json.loads(json.dumps({key: value for key, value in vars(config).items() if key not in left_out}))
