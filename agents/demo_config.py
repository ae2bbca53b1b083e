"""The demonstration's numbers. Imports neither torch nor SB3, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sslctrl.errors import check_least


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
        check_least(2, video_episodes=self.video_episodes, heldout_episodes=self.heldout_episodes)
        check_least(50, video_steps=self.video_steps)
        check_least(1, embedding_steps=self.embedding_steps, agent_steps=self.agent_steps)
        check_least(1, test_episodes=self.test_episodes, workers=self.workers)
        check_least(0, seed=self.seed)
