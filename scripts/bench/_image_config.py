"""What the bench of image tasks can measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.bench._pretext_config import PretextConfig

TASKS = (
    "exemplar", "rotation", "relative_position", "jigsaw", "counting", "colorization", "denoising", "context_encoder",
    "split_brain", "gan", "bigan",
)  # fmt: skip


@dataclass(frozen=True)
class ImageConfig(PretextConfig):
    """What to measure of image tasks, and where to write it."""

    tasks: ClassVar[tuple[str, ...]] = TASKS
    script: ClassVar[str] = "scripts/bench/image_pretext.py"
    out: Path = Path("results/image_pretext.json")
    """The file of figures, with fast as <name>-fast.json; those of other tasks that it holds are kept."""
    runs: Path = Path("runs/bench-image")
    """Folder of the runs; what is finished there is not run again."""
