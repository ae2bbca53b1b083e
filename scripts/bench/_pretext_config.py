"""What the benches that choose among tasks can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from scripts.bench._bench_config import BenchConfig
from sslctrl.errors import InputError


@dataclass(frozen=True)
class PretextConfig(BenchConfig):
    """What to measure, and where to write it."""

    tasks: ClassVar[tuple[str, ...]] = ()
    """All that can be measured."""

    only: tuple[str, ...] = ()
    """The tasks to measure; by default all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if strangers := sorted(set(self.only) - set(self.tasks)):
            raise InputError(f"only has {strangers[0]!r}; allowed are {', '.join(self.tasks)}; choose among them")

    @property
    def chosen(self) -> tuple[str, ...]:
        """The tasks that are measured."""
        return self.only or self.tasks
