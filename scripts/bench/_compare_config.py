"""What the comparison of backbones can be told. Kept apart so that `--help` imports neither torch nor numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from scripts.bench._image_config import TASKS as IMAGE_TASKS
from scripts.bench._pretext_config import PretextConfig
from scripts.bench._video_config import TASKS as VIDEO_TASKS

SINGLE = ("random", "supervised", "autoencoder", *IMAGE_TASKS, *VIDEO_TASKS)
DEEPER = ("random", "supervised", "denoising", "exemplar", "context_encoder")
"""Of which a deeper backbone is trained, too: of tasks, those whose policies were so far from an untrained net's, on
Push or on Reach, that a deeper one's can be told from them.
"""
DEEP: dict[str, Any] = {"widths": (32, 48, 48, 48, 48), "strides": (2, 2, 1, 1, 1)}
"""Five layers instead of three, a map of the same size and as many channels."""
SUFFIX = "-deep"
QUESTIONS = {
    "combining_gain": "Does combining tasks help?",
    "depth_gain": "Do deeper backbones help?",
    "supervised_lead": "Does supervision still lead?",
}
"""By the names of the figures that answer them: <name>.<metric>."""


@dataclass(frozen=True)
class CompareConfig(PretextConfig):
    """Which backbones to compare under control, and where to write it; what is done is not done again."""

    tasks: ClassVar[tuple[str, ...]] = (*SINGLE, *(name + SUFFIX for name in DEEPER))
    script: ClassVar[str] = "scripts/compare.py"

    out: Path = Path("results/backbones.json")
    """The file of figures, with fast as <name>-fast.json."""
    page: Path = Path("runs/compare/leaderboard.html")
    """The page: a sortable table, and plots; with fast <name>-fast.html."""
    runs: Path = Path("runs/compare")
    """Folder of the runs; what is finished there is not run again."""
    only: tuple[str, ...] = ()
    """The backbones to compare; by default all, and the best pair and triple of tasks combined."""

    @property
    def board(self) -> Path:
        """The page of this tier."""
        return self.tier.file(self.page)
