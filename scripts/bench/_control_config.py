"""What the control bench can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, get_args

from scripts.bench._bench_config import BenchConfig
from scripts.bench._tier import STRETCH, Tier
from sslctrl.errors import InputError

Part = Literal["tcn", "g2v", "rig", "ccrig"]
PARTS: tuple[Part, ...] = get_args(Part)
SEEDS: dict[Part, int] = {"tcn": 3, "g2v": 5, "rig": 5, "ccrig": 5}
"""How many of each part: policies have five."""
_GLANCE = Tier("fast", 0.015, 0.1)
"""Of some seventy trainings: eight minutes of two cores."""


@dataclass(frozen=True)
class ControlConfig(BenchConfig):
    """What to measure, and where to write it."""

    script: ClassVar[str] = "scripts/bench/control.py"
    least_seeds: ClassVar[int] = 0
    out: Path = Path("results/control.json")
    """The file of figures, with fast or stretch as <name>-fast.json; those that are not measured now are kept."""
    runs: Path = Path("runs/bench-control")
    """Folder of the runs; what is finished there is not run again."""
    seeds: tuple[int, ...] = ()
    """Seeds of the trainings; none: 0 to 2 of tcn and 0 to 4 of the others, of a quick look 0."""
    only: tuple[Part, ...] = PARTS
    """The parts to measure."""
    fast: bool = False
    """A seventieth of the learning, of one seed, for a look at all of it in ten minutes; its runs and figures are kept
    apart.
    """
    stretch: bool = False
    """Three times the learning, for a GPU; its runs and figures are kept apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fast and self.stretch:
            raise InputError("both fast and stretch are given; allowed is one of them; leave one out")

    def of_part(self, part: Part) -> ControlConfig:
        """Return it with the part's own seeds, where none are given."""
        return self if self.seeds else replace(self, seeds=tuple(range(1 if self.fast else SEEDS[part])))

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return STRETCH if self.stretch else _GLANCE if self.fast else super().tier
