"""What to report on. Kept apart from the writing so that a `--help` need not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ReportConfig:
    """Write one HTML page, which needs nothing beside it, about a run: the demo's or that of an embedding, a pretext
    task or a policy.
    """

    run: Path
    """Folder of the run."""
    out: Path | None = None
    """The page; by default report.html in the run's folder."""
    allow: tuple[str, ...] = ()
    """Your own package.module:Class names that the run's checkpoint may import."""
