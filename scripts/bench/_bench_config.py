"""What every bench over seeds can be told. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.bench._tier import FAST, FULL, Tier
from sslctrl.errors import InputError


@dataclass(frozen=True)
class BenchConfig:
    """Which seeds to measure, and where to write it."""

    script: ClassVar[str] = ""
    """Its path."""
    least_seeds: ClassVar[int] = 1
    """How many are to be given; 0: a part has its own."""

    out: Path = Path("results/bench.json")
    """The file of figures, with fast as <name>-fast.json; those that are not measured now are kept."""
    runs: Path = Path("runs/bench")
    """Folder of the runs; what is finished there is not run again."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings."""
    workers: int = 2
    """Trainings side by side, of one thread each."""
    fast: bool = False
    """A tenth of the learning, for a quick look; its runs and figures are kept apart."""
    reuse: bool = False
    """Take from results/seeds/ what trainings of the same settings measured elsewhere, and run only the others: adds
    seeds to those published, and goes on with a run of another machine.
    """

    def __post_init__(self) -> None:
        if len(self.seeds) < self.least_seeds or self.workers < 1:
            raise InputError(
                f"seeds are {self.seeds}, workers {self.workers}; allowed are {self.least_seeds} or more seeds, and "
                "1 or more workers; change one"
            )

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return FAST if self.fast else FULL

    @property
    def file(self) -> Path:
        """The file of figures of this tier."""
        return self.tier.file(self.out)

    @property
    def ledger(self) -> Path:
        """The file of what each training measured."""
        return self.file.parent / "seeds" / self.file.name

    @property
    def command(self) -> str:
        """What a file of figures says that it is from."""
        flag = "" if self.tier == FULL else f" --{self.tier.name}"
        return f"python {self.script} --seeds {' '.join(map(str, self.seeds))}{flag}"
