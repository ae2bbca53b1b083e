"""What the control bench can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from sslctrl.errors import InputError

Part = Literal["tcn", "g2v", "rig", "ccrig"]
PARTS: tuple[Part, ...] = get_args(Part)


class Tier(NamedTuple):
    """How much of what the bench says is done: in full, for a quick look, or more."""

    name: str
    learning: float
    """Share of batches, of video to learn from and of policies' steps."""
    exams: float
    """Share of what is measured on."""

    def folder(self, part: str) -> str:
        """Return the name of a part's folder of runs."""
        return part if self == FULL else f"{part}-{self.name}"

    def learned(self, count: int) -> int:
        """Return how many of these batches, episodes to learn from or steps there are."""
        return round(count * self.learning)

    def asked(self, count: int) -> int:
        """Return how many of these episodes or starts to measure on there are."""
        return round(count * self.exams)


FULL, FAST, STRETCH = Tier("full", 1, 1), Tier("fast", 0.1, 0.25), Tier("stretch", 3, 1)


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
