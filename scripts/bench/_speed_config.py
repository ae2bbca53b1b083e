"""What the speed bench can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Part = Literal["images", "states", "renderers", "silhouettes", "sampler", "training", "workers"]
PARTS: tuple[Part, ...] = ("images", "states", "renderers", "silhouettes", "sampler", "training", "workers")


@dataclass(frozen=True)
class SpeedConfig:
    """What to measure, and where to write it."""

    out: Path = Path("results/speed.json")
    """The file of figures, with fast as <name>-fast.json; those of other parts that it holds are kept."""
    only: tuple[Part, ...] = PARTS
    """The parts to measure."""
    fast: bool = False
    """Seconds instead of minutes: shows that everything runs; its figures mean little."""
