"""What an import of one's own video is made of. Kept apart so that a `--help` loads no OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImportConfig:
    """One recording, filmed by one or more cameras at once, to be added to a store as one episode."""

    out: Path
    """Store that gets the episode; made where it is missing."""
    videos: tuple[Path, ...]
    """One file a camera, all with the same number of frames: frame i of each is of the same moment."""
    cameras: tuple[str, ...] = ()
    """The cameras' names; by default the files', without their endings."""
    id: str | None = None
    """The episode's name; by default the next number; then a recording that is there already is not added again."""
    size_px: int = 64
    """Side of the square frames: the middle of each is cut out and resized."""
    every: int = 1
    """Keep one of so many frames: 3 makes 10 a second of 30; then actions cannot be given, since they would be lost."""
    proprio: Path | None = None
    """.npy of float32 (frames, P): what the robot knows of its body at each frame of the files."""
    actions: Path | None = None
    """.npy of float32 (frames, A): the action that each frame of the files was followed by."""
    success: bool = False
    """Whether the recording shows the task done."""
