"""A training of a pretext task for a bench: kept apart from what is measured of it, which may change."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scripts.bench._jobs import Measured, settings_hash
from scripts.bench._tier import Tier
from sslctrl import checkpoint
from sslctrl.fit import fit
from sslctrl.fit_config import FitConfig
from sslctrl.objective import Objective
from sslctrl.run import write_atomically
from sslctrl.store import EpisodeStore
from sslctrl.training_state import spec_of
from vision.build import ObjectiveSpec, build_objective, load_objective
from vision.train import write_pictures


@dataclass(frozen=True)
class Trial:
    """One training, and what is asked of it."""

    score: Callable[[Any, EpisodeStore, int], Measured] = field(repr=False)
    steps: int
    data: str = "sim"
    """The name of what it learns from."""
    options: dict[str, Any] = field(default_factory=dict)
    lr: float = 2e-3
    on_train: bool = False
    """Whether it is asked about the images that it learned from: classes that are images."""

    def made_from(self, task: str, backbone_options: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Return a name for all settings of a task's training, defaults of its classes among them."""
        spec = spec_of(build_objective(self._spec(task, 0, backbone_options)))
        return settings_hash(spec, self.steps, self.data, self.lr, self.on_train)

    def folder(self, task: str, where: str, *measured: object) -> str:
        """Return its training's folder, and in it that of what is measured: others for other settings, another score,
        or other functions or modules that measure, so that nothing kept stands in for them.
        """
        return f"{task}-{where}-{self.made_from(task)}/{settings_hash(self.score, *measured)}"

    def _spec(self, task: str, seed: int, backbone_options: Mapping[str, Any]) -> ObjectiveSpec:
        return ObjectiveSpec(task, self.options, backbone_options=dict(backbone_options), seed=seed)

    def learned(
        self,
        task: str,
        store: EpisodeStore,
        run: Path,
        seed: int,
        tier: Tier,
        backbone_options: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[Objective, float]:
        """Train in a folder, where that is not done yet, and return the objective and the CPU minutes it took."""
        took = run / "minutes"
        if not took.exists():
            shutil.rmtree(run, ignore_errors=True)  # a training that was stopped would tell less time than it took
            settings = FitConfig(
                tier.learned(self.steps), lr=self.lr, seed=seed, device="auto", warmup=tier.learned(100)
            )
            started = time.process_time()
            fit(build_objective(self._spec(task, seed, backbone_options)), store, run, settings)
            write_atomically(took, str((time.process_time() - started) / 60))
        return load_objective(checkpoint.newest(run)), float(took.read_text())

    def measured(
        self, task: str, train: EpisodeStore, test: EpisodeStore, run: Path, seed: int, tier: Tier
    ) -> tuple[Any, Measured]:
        """Train in a folder, where that is not done yet, show there what was learned, and return the objective, its
        score, and what it cost.
        """
        objective, minutes = self.learned(task, train, run, seed, tier)
        asked = train if self.on_train else test
        write_pictures(run, objective, asked, seed)
        return objective, {"minutes": minutes} | self.score(objective, asked, seed)


def named(task: str, trials: Mapping[str, Measured]) -> Measured:
    """Return one seed's figures of a task by name: `<task>.sim`, `<task>.sim_minutes`, `<task>.leak`, ..."""
    return {
        f"{task}.{where}" + f"_{name}" * bool(name): value
        for where, found in trials.items()
        for name, value in found.items()
    }
