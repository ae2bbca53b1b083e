"""Speed in CPU time, beside panda-gym, TinyRenderer, torch's DataLoader and bare convolutions: writes results/speed.json."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: all comparisons are of one thread

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import tyro

from scripts.bench._figures import Results
from scripts.bench._intervals import Figure
from sslctrl.errors import SslctrlError
from sslctrl.store import EpisodeStore

GOALS = {
    "image_env_vs_panda_gym": 20.0,
    "image_env_default_vs_panda_gym": 35.0,
    "three_views_vs_panda_gym_one": 25.0,
    "raster_vs_tiny_same_mesh": 15.0,
    "silhouette_iou_min": 0.95,
    "state_env_vs_panda_gym": 1.1,
    "sampler_vs_dataloader": 4.0,
    "train_over_roofline": 0.55,
}
"""The least that issue A asks for."""

Part = Literal["images", "states", "renderers", "silhouettes", "sampler", "training", "workers"]
PARTS: tuple[Part, ...] = ("images", "states", "renderers", "silhouettes", "sampler", "training", "workers")


@dataclass(frozen=True)
class SpeedConfig:
    """What to measure, and where to write it."""

    out: Path = Path("results/speed.json")
    """The file of figures; figures of the same commit that it holds are kept."""
    only: tuple[Part, ...] = PARTS
    """The parts to measure."""
    fast: bool = False
    """Seconds instead of minutes: shows that everything runs; its figures mean little."""


class Size(NamedTuple):
    """How much is measured."""

    rounds: int
    turns: int
    image_steps: int
    state_steps: int
    draw_scenes: int
    silhouette_scenes: int
    batches: int
    train_steps: int
    episodes: int


FULL = Size(3, 4, 50, 300, 10, 50, 20, 24, 48)
FAST = Size(2, 1, 2, 4, 1, 1, 1, 2, 2)


def measure(config: SpeedConfig) -> Results:
    """Measure the parts asked for, saving after each. Raises InputError where panda-gym is missing."""
    arguments = [f"--only {' '.join(config.only)}"] * (config.only != PARTS) + ["--fast"] * config.fast
    results = Results(config.out, " ".join(["python -m scripts.bench.speed", *arguments]))
    if results.dropped:
        print(f"{config.out}: {len(results.dropped)} figures of another commit are replaced", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as scratch:
        for name, part in parts(FAST if config.fast else FULL, Path(scratch)).items():
            if name in config.only:
                results.record(part())
    return results


def parts(size: Size, scratch: Path) -> dict[Part, Callable[[], dict[str, Figure]]]:
    """Return what measures each part, in the order in which they run."""
    import torch

    from scripts.bench import _speed_learning as learning
    from scripts.bench import _speed_renderers as renderers
    from scripts.bench import _speed_worlds as worlds

    torch.set_num_threads(1)

    def store() -> EpisodeStore:
        return learning.record(scratch / "store", size.episodes)  # recorded at the first call, opened at the next

    return {
        "images": lambda: worlds.image_figures(size.rounds, size.turns, size.image_steps),
        "states": lambda: worlds.state_figures(size.rounds, size.turns, size.state_steps),
        "renderers": lambda: renderers.speed_figures(size.rounds, size.turns, size.draw_scenes),
        "silhouettes": lambda: renderers.silhouette_figures(size.silhouette_scenes),
        "sampler": lambda: learning.sampler_figures(store(), size.rounds, size.turns, size.batches),
        "training": lambda: learning.training_figures(store(), scratch, size.rounds, size.train_steps),
        "workers": lambda: learning.worker_figures(scratch / "workers", size.rounds, size.episodes),
    }


def summary(figures: dict[str, Figure]) -> str:
    """Return one line a figure, with its goal where it has one."""
    lines = []
    for name, figure in sorted(figures.items()):
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"   goal >= {goal:g}: {'reached' if figure.value >= goal else 'MISSED'}"
        lines.append(f"{name:36s}{figure.value:10.4g} {figure.unit:9s}({figure.low:.4g} to {figure.high:.4g}){verdict}")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line; exit code 2 to 6 for a user's error."""
    config = tyro.cli(SpeedConfig, description=__doc__)
    try:
        print(summary(measure(config).figures))
    except SslctrlError as error:
        sys.exit(_failed(error))


def _failed(error: SslctrlError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    main()
