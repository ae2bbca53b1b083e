"""What the control bench can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from scripts.bench._tier import FAST, FULL, STRETCH, Tier
from sslctrl.errors import InputError

Part = Literal["tcn", "g2v", "rig", "ccrig"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class ControlConfig:
    """What to measure, and where to write it."""

    out: Path = Path("results/control.json")
    """The file of figures; those of other parts that it holds are kept."""
    runs: Path = Path("runs/bench-control")
    """Folder of the runs; what is finished there is not run again."""
    only: tuple[Part, ...] = PARTS
    """The parts to measure."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of embeddings."""
    workers: int = 2
    """Trainings side by side, of one thread each."""
    fast: bool = False
    """A tenth of the learning, for a quick look: minutes with one seed. Its runs are kept apart."""
    stretch: bool = False
    """Three times the learning, for a GPU. Its runs are kept apart; give it a file of its own."""

    def __post_init__(self) -> None:
        if not self.seeds or self.workers < 1:
            raise InputError(f"seeds are {self.seeds}, workers {self.workers}; allowed are one or more of each")
        if self.fast and self.stretch:
            raise InputError("both fast and stretch are given; allowed is one of them; leave one out")

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return FAST if self.fast else STRETCH if self.stretch else FULL
