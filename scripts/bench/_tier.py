"""How much of what a bench says is done. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Tier(NamedTuple):
    """How much of what the bench says is done: in full, for a quick look, or more."""

    name: str
    learning: float
    """Share of batches, of video to learn from and of policies' steps."""
    exams: float
    """Share of what is measured on."""

    def folder(self, part: str) -> str:
        """Return the name of a part's folder of runs."""
        return part if self == FULL else f"{part}-{self.name}-{self.learning:g}"

    def file(self, out: Path) -> Path:
        """Return its file of figures: a quick look is not to write over what is published."""
        return out if self == FULL else out.with_stem(f"{out.stem}-{self.name}")

    def learned(self, count: int) -> int:
        """Return how many of these batches, episodes to learn from or steps there are."""
        return round(count * self.learning)

    def asked(self, count: int) -> int:
        """Return how many of these episodes or starts to measure on there are."""
        return round(count * self.exams)


FULL, FAST, STRETCH = Tier("full", 1, 1), Tier("fast", 0.1, 0.25), Tier("stretch", 3, 1)
