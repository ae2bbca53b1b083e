"""The demonstration's numbers. Imports neither torch nor SB3, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sslctrl.errors import InputError


@dataclass(frozen=True)
class DemoConfig:
    """From simulated video to a policy trained on a learned reward: the main job, start to end.

    Raises InputError for a value that cannot be.
    """

    run: Path = Path("runs/demo")
    """Folder of everything; a run that was stopped goes on where it was."""
    seed: int = 0
    """Decides the video, the weights and the policy."""
    video_episodes: int = 60
    """Episodes of play to learn the embedding from."""
    video_steps: int = 300
    """Control steps of each."""
    heldout_episodes: int = 20
    """Episodes, of colours never trained on, to measure the embedding on."""
    embedding_steps: int = 3000
    """Batches the embedding is trained on."""
    agent_steps: int = 15_000
    """Control steps the policy is trained for."""
    test_episodes: int = 100
    """Starts each policy is measured from."""
    workers: int = 2
    """Processes that record video."""

    def __post_init__(self) -> None:
        least = {"video_episodes": 2, "video_steps": 50, "heldout_episodes": 2, "embedding_steps": 1, "agent_steps": 1}
        for name, value in {**least, "test_episodes": 1, "workers": 1, "seed": 0}.items():
            if getattr(self, name) < value:
                raise InputError(f"{name} is {getattr(self, name)}; allowed is {value} or more; change it")
