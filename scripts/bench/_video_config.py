"""What the bench of video tasks can measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scripts.bench._pretext_config import PretextConfig

TASKS = (
    "tracking", "facenet_triplet", "shuffle_and_learn", "odd_one_out", "arrow_of_time", "video_colorization",
)  # fmt: skip


@dataclass(frozen=True)
class VideoConfig(PretextConfig):
    """What to measure of video tasks, and where to write it."""

    tasks: ClassVar[tuple[str, ...]] = TASKS
    script: ClassVar[str] = "scripts/bench/video_pretext.py"
    out: Path = Path("results/video_pretext.json")
    """The file of figures, with fast as <name>-fast.json; those of other tasks that it holds are kept."""
    runs: Path = Path("runs/bench-video")
    """Folder of the runs; what is finished there is not run again."""
