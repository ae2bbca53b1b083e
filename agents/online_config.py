"""What learning from what the policy sees is made of. Imports neither torch nor SB3: `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agents.config import TrainAgentConfig
from sslctrl.errors import InputError, check_least
from sslctrl.fit_config import FitConfig


@dataclass(frozen=True)
class OnlineConfig:
    """Train a policy and, in turns, the embedding that it sees and is rewarded by, on what it saw."""

    agent: TrainAgentConfig
    """The policy, its run's folder, its embedding and its prior to begin with; `steps` are those of all rounds."""
    rounds: int = 4
    """Turns of the policy; between them the embedding is trained further."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=500))
    """How long, how fast and where the embedding is trained between two rounds."""

    def __post_init__(self) -> None:
        check_least(1, rounds=self.rounds)
        if self.agent.steps < self.rounds:
            raise InputError(
                f"agent.steps is {self.agent.steps}, and rounds {self.rounds}; allowed is a step a round or more; "
                "raise steps"
            )
        if self.agent.embedding is None or self.agent.prior is None or self.agent.record is not None:
            raise InputError(
                f"agent.embedding is {self.agent.embedding}, agent.prior {self.agent.prior}, agent.record "
                f"{self.agent.record}; allowed are an embedding and video to begin with, and no record: the run keeps "
                "its own; change them"
            )

    @property
    def embedding(self) -> Path:
        """The embedding to begin with."""
        assert self.agent.embedding is not None
        return Path(self.agent.embedding)

    @property
    def video(self) -> Path:
        """The video to begin with."""
        assert self.agent.prior is not None
        return Path(self.agent.prior)
