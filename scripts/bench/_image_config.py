"""What the bench of image tasks can measure. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts.bench._tier import FAST, FULL, Tier
from sslctrl.errors import InputError

TASKS = (
    "exemplar", "rotation", "relative_position", "jigsaw", "counting", "colorization", "denoising", "context_encoder",
    "split_brain", "gan", "bigan",
)  # fmt: skip


@dataclass(frozen=True)
class ImageConfig:
    """What to measure, and where to write it."""

    out: Path = Path("results/image_pretext.json")
    """The file of figures; those of other tasks that it holds are kept."""
    runs: Path = Path("runs/bench-image")
    """Folder of the runs; what is finished there is not run again."""
    only: tuple[str, ...] = TASKS
    """The tasks to measure."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the trainings."""
    workers: int = 2
    """Trainings side by side, of one thread each."""
    fast: bool = False
    """A tenth of the learning, for a quick look; its runs are kept apart."""

    def __post_init__(self) -> None:
        if not self.seeds or self.workers < 1:
            raise InputError(f"seeds are {self.seeds}, workers {self.workers}; allowed are one or more of each")
        if strangers := sorted(set(self.only) - set(TASKS)):
            raise InputError(f"only has {strangers[0]!r}; allowed are {', '.join(TASKS)}; choose among them")

    @property
    def tier(self) -> Tier:
        """How much is done."""
        return FAST if self.fast else FULL
