"""What a recording of grasps is made of. Kept apart from the recording so that a `--help` loads no physics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envs.collect_config import Backend, recording_of
from sslctrl.errors import InputError, check_least


@dataclass(frozen=True)
class GraspsConfig:
    """Which grasps to record, and where to. Raises InputError for a value that cannot be."""

    out: Path
    """Folder of the grasps, an episode each; those that are there already are kept and not recorded again."""
    grasps: int = 3000
    """How many grasps the folder shall hold, failed ones included."""
    variety: Literal["fixed", "train", "heldout"] = "train"
    """Where the objects come from."""
    recolor: float = 0.0
    """Share of the objects that get another colour in every grasp, never one of those held out."""
    miss: float = 0.3
    """Share of the grasps that aim beside their object."""
    size_px: int = 64
    """Side of the square frames."""
    seed: int = 0
    """Grasp i depends on this and i alone."""
    workers: int = 2
    """Processes."""
    backend: Backend = "loky"
    """As `CollectConfig.backend`."""

    def __post_init__(self) -> None:
        check_least(1, grasps=self.grasps, workers=self.workers)
        check_least(8, size_px=self.size_px)
        check_least(0, seed=self.seed)
        for name in ("miss", "recolor"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; allowed is 0 to 1; change it")

    @property
    def recording(self) -> dict[str, Any]:
        """As `CollectConfig.recording`."""
        return {"env_id": "sslctrl/Grasp-v0", **recording_of(self, "grasps")}
