"""Write one of the README's pictures anew, from a finished run.

python scripts/bench/readme_picture.py --run runs/demo --rollout 3 --out docs/pictures/demo.png
python scripts/bench/readme_picture.py --run runs/recipes/grasp2vec --shows heat --out docs/pictures/grasp2vec.png
python scripts/bench/readme_picture.py --run runs/recipes/rig --shows reached --out docs/pictures/rig.png
python scripts/bench/readme_picture.py --run runs/recipes/ccrig --shows imagined --out docs/pictures/ccrig.png
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scripts._cli import main

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class PictureConfig:
    """Which run is shown, and how."""

    run: Path = Path("runs/demo")
    """A finished run: the demo's, or a recipe's."""
    shows: Literal["films", "heat", "reached", "imagined"] = "films"
    """films: above, the demonstration; below, the policy. heat: where Grasp2Vec finds what it is shown. reached: the
    pictures of goals that a policy was shown, where it began and where it ended. imagined: goals of a VAE's."""
    out: Path = Path("docs/pictures/demo.png")
    """The picture."""
    steps: tuple[int, ...] = (0, 4, 8, 12, 50)
    """The moments of both films."""
    rollout: int = 1
    """Which of the policy's recorded episodes, from 0."""
    side_px: int = 192
    """Of each frame of the films."""


def draw(config: PictureConfig) -> Path:
    """Draw and return the picture. Raises DataError where the run is not finished, InputError where it shows no such
    thing.
    """
    from sslctrl.views import write_picture

    return write_picture(config.out, _PICTURES[config.shows](config))


def _films(config: PictureConfig) -> np.ndarray:
    import numpy as np

    from agents.demo import DEMONSTRATION_CAMERA, POLICY_CAMERA
    from sslctrl.errors import DataError, InputError
    from sslctrl.store import EpisodeStore
    from sslctrl.views import square, view_of

    films = (
        (config.run / "video/demonstration", 0, DEMONSTRATION_CAMERA),
        (config.run / "evaluation/agent", config.rollout, POLICY_CAMERA),
    )
    rows = []
    for folder, number, camera in films:
        store = EpisodeStore(folder)
        if not 0 <= number < len(store):
            raise DataError(f"{folder} holds {len(store)} episodes; allowed is a finished demo's; run make demo")
        frames = view_of(store.read(store.ids[number]), camera)
        if not 0 <= min(config.steps) <= max(config.steps) < len(frames):
            raise InputError(f"steps are {config.steps}; allowed are 0 to {len(frames) - 1}, those of {folder}")
        shown = np.concatenate([*square(frames[list(config.steps)], config.side_px)], axis=1)
        rows += [shown, np.full((9, *shown.shape[1:]), 255, np.uint8)]
    return np.concatenate(rows[:-1])


def _heat(config: PictureConfig) -> np.ndarray:
    from agents.grasping.picture import grasps_shown, heat_picture
    from agents.report.folder import RunFolder
    from sslctrl.embeddings.grasp2vec import Grasp2Vec
    from sslctrl.errors import InputError

    folder = RunFolder(config.run)
    if not isinstance(folder.embedding, Grasp2Vec):
        raise InputError(f"{config.run} is of {type(folder.embedding).__name__}; allowed is a run of grasp2vec")
    return heat_picture(folder.embedding, *grasps_shown(folder.heldout()))


def _reached(config: PictureConfig) -> np.ndarray:
    import numpy as np

    from sslctrl.errors import DataError
    from sslctrl.store import EpisodeStore
    from sslctrl.views import square, view_of

    folder = config.run / "evaluation/agent"
    store = EpisodeStore(folder)
    episodes = [store.read(id) for id in store.ids]
    goals = [episode.pursued for episode in episodes if episode.pursued is not None]
    if len(goals) < max(1, len(episodes)):
        raise DataError(
            f"{folder} holds films without pictures of their goals, or none; allowed are those of a policy that was "
            "shown pictures; give a run of RIG, or delete films of older versions and evaluate it again"
        )
    films = [view_of(episode, episode.meta["camera"]) for episode in episodes]
    shown = goals, [film[0] for film in films], [film[-1] for film in films]
    rows = [np.concatenate([*square(np.stack(frames), config.side_px)], axis=1) for frames in shown]
    gap = np.full((9, *rows[0].shape[1:]), 255, np.uint8)
    return np.concatenate([rows[0], gap, *rows[1:]])


def _imagined(config: PictureConfig) -> np.ndarray:
    from agents.report.folder import RunFolder
    from agents.report.imagined import imagined_picture
    from sslctrl.errors import InputError
    from sslctrl.imagining import Imagining

    folder = RunFolder(config.run)
    if not isinstance(folder.embedding, Imagining):
        raise InputError(f"{config.run} is of {type(folder.embedding).__name__}; allowed are vae, cc_vae, autoencoder")
    store = folder.heldout()
    return imagined_picture(folder.embedding, store, folder.camera_pair(store.cameras)[0])


_PICTURES = {"films": _films, "heat": _heat, "reached": _reached, "imagined": _imagined}


if __name__ == "__main__":
    main(PictureConfig, "scripts.bench.readme_picture:draw")
