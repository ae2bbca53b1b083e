"""Write docs/pictures/demo.png anew from a finished demo: above, its demonstration; below, its policy.

python scripts/bench/readme_picture.py --run runs/demo
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts._cli import main


@dataclass(frozen=True)
class PictureConfig:
    """Which run is shown, and how."""

    run: Path = Path("runs/demo")
    """A finished demo."""
    out: Path = Path("docs/pictures/demo.png")
    """The picture."""
    steps: tuple[int, ...] = (0, 4, 8, 12, 50)
    """The moments of both films."""
    rollout: int = 1
    """Which of the policy's recorded episodes, from 0."""
    side_px: int = 192
    """Of each frame."""


def draw(config: PictureConfig) -> Path:
    """Draw and return the picture. Raises DataError where the run is not finished."""
    import numpy as np

    from agents.demo import DEMONSTRATION_CAMERA, POLICY_CAMERA
    from sslctrl.errors import DataError
    from sslctrl.store import EpisodeStore
    from sslctrl.views import enlarge, view_of, write_picture

    films = (
        (config.run / "video/demonstration", 0, DEMONSTRATION_CAMERA),
        (config.run / "evaluation/agent", config.rollout, POLICY_CAMERA),
    )
    rows = []
    for folder, number, camera in films:
        store = EpisodeStore(folder)
        if len(store) <= number:
            raise DataError(f"{folder} holds {len(store)} episodes; allowed is a finished demo's; run make demo")
        frames = view_of(store.read(store.ids[number]), camera)
        shown = np.concatenate([*enlarge(frames[list(config.steps)], config.side_px)], axis=1)
        rows += [shown, np.full((9, *shown.shape[1:]), 255, np.uint8)]
    return write_picture(config.out, np.concatenate(rows[:-1]))


if __name__ == "__main__":
    main(PictureConfig, "scripts.bench.readme_picture:draw")
