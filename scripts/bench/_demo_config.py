"""What the demo's bench can be told. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.bench._bench_config import BenchConfig


@dataclass(frozen=True)
class DemoBenchConfig(BenchConfig):
    """Which seeds of the demo, and where to write."""

    script: ClassVar[str] = "scripts/bench/demo.py"
    out: Path = Path("results/demo.json")
    """The file of figures, with fast as <name>-fast.json."""
    runs: Path = Path("runs/bench-demo")
    """Folder of the runs; what is finished there is not run again."""
    workers: int = 1
    """Trainings side by side; two tell more minutes a demo than one alone takes."""
