"""What learning to grasp is made of. Kept apart from the learning so that a `--help` need not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sslctrl import fit_config
from sslctrl.errors import check_least
from sslctrl.fit_config import FitConfig

Labelling = Literal["oracle", "pl", "pl_es", "pl_aux_es"]
"""Posthoc labels (PL), with embedding similarity (ES), and that of a second goal (Aux); or what is true."""
FREE = ("grasps", "embedding", "run", "exams", "starts", *fit_config.FREE)
"""Fields that may change when a run goes on; grasps and the embedding's weights are compared instead of their paths."""


@dataclass(frozen=True)
class GraspingConfig:
    """Learn from recorded grasps to fetch what a picture asks for."""

    grasps: Path
    """Folder of the grasps to learn from, as scripts/collect_grasps.py records them."""
    embedding: Path
    """Checkpoint of the embedding of outcomes, or its run's folder: its similarity to a goal is the reward."""
    run: Path
    """Folder of the run; one that was stopped goes on from its last checkpoint."""
    labels: Labelling = "pl_aux_es"
    """Posthoc labels (pl), with embedding similarity (es), that of a second goal (aux); or what is true (oracle)."""
    batch: int = 64
    """Grasps of a batch."""
    backbone: str = "conv"
    """What looks at the bin: a backbone's name, or your own package.module:Class."""
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """The backbone's options; of conv, where there are none, five layers that see 33 px."""
    exams: tuple[Path, ...] = ()
    """Folders of grasps whose outcomes are asked for, of bins with their kind of objects; none: `grasps`."""
    starts: int = 100
    """Bins of an exam, of five objects each."""
    allow: tuple[str, ...] = ()
    """Classes outside the registries, package.module:Class, that the embedding's checkpoint may name."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=600, lr=2e-3, warmup=60))
    """How long, how fast and where."""

    def __post_init__(self) -> None:
        check_least(1, starts=self.starts, batch=self.batch)
