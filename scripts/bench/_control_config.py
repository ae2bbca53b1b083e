"""What the control bench can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from scripts.bench._bench_config import BenchConfig
from scripts.bench._tier import STRETCH, Tier
from sslctrl.errors import InputError

Part = Literal["tcn", "g2v", "rig", "ccrig"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class ControlConfig(BenchConfig):
    """What to measure, and where to write it."""

    script: ClassVar[str] = "scripts/bench/control.py"
    out: Path = Path("results/control.json")
    """The file of figures, with fast or stretch as <name>-fast.json; those that are not measured now are kept."""
    runs: Path = Path("runs/bench-control")
    """Folder of the runs; what is finished there is not run again."""
    only: tuple[Part, ...] = PARTS
    """The parts to measure."""
    stretch: bool = False
    """Three times the learning, for a GPU; its runs and figures are kept apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fast and self.stretch:
            raise InputError("both fast and stretch are given; allowed is one of them; leave one out")

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return STRETCH if self.stretch else super().tier
