"""What the benches of pretext tasks can be told. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.bench._tier import FAST, FULL, Tier
from sslctrl.errors import InputError


@dataclass(frozen=True)
class PretextConfig:
    """What to measure, and where to write it."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """All that can be measured."""
    script: ClassVar[str] = ""
    """Its name under scripts/bench/."""

    out: Path = Path("results/pretext.json")
    """The file of figures; those of other tasks that it holds are kept."""
    runs: Path = Path("runs/bench-pretext")
    """Folder of the runs; what is finished there is not run again."""
    only: tuple[str, ...] = ()
    """The tasks to measure; by default all."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings."""
    workers: int = 2
    """Trainings side by side, of one thread each."""
    fast: bool = False
    """A tenth of the learning, for a quick look; its runs are kept apart."""

    def __post_init__(self) -> None:
        if not self.seeds or self.workers < 1:
            raise InputError(f"seeds are {self.seeds}, workers {self.workers}; allowed are one or more of each")
        if strangers := sorted(set(self.only) - set(self.tasks)):
            raise InputError(f"only has {strangers[0]!r}; allowed are {', '.join(self.tasks)}; choose among them")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The tasks that are measured."""
        return self.only or self.tasks

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return FAST if self.fast else FULL

    @property
    def command(self) -> str:
        """What a file of figures says that it is from."""
        options = f"--seeds {' '.join(map(str, self.seeds))}" + " --fast" * self.fast
        return f"python scripts/bench/{self.script}.py {options}"
