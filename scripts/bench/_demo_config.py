"""What the demo's bench can be told. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoBenchConfig:
    """Which seeds, and where to write."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the demo."""
    runs: Path = Path("runs/bench-demo")
    """Folder of the runs, one a seed; what is finished there is not run again."""
    out: Path = Path("results/demo.json")
    """The file of figures."""
