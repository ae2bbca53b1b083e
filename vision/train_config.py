"""What a run of training is made of. Kept apart from the training so that a `--help` need not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslctrl import fit_config
from sslctrl.fit_config import FitConfig

FREE = ("store", "eval_store", "run", *fit_config.FREE)
"""Fields that may change when a run goes on: it knows its store by what is in it."""


@dataclass(frozen=True)
class TrainConfig:
    """Train an embedding on an episode store."""

    store: Path
    """Folder of the episodes to learn from."""
    run: Path
    """Folder of the run; one that was stopped goes on from its last checkpoint."""
    name: str = "tcn"
    """An embedding's name (tcn, vae, autoencoder, ...), or your own package.module:Class."""
    options: dict[str, Any] = field(default_factory=dict)
    """The embedding's options, as dim=32 loss=triplet."""
    backbone: str = "conv"
    """A backbone's name (conv, wide_conv, resnet, ...), your own package.module:Class, or the folder of any objective's
    run, whose backbone this one starts as a copy of.
    """
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """The backbone's options, as width=64 'blocks=[2,2,2,2]'."""
    init: Path | None = None
    """Checkpoint of any objective, or its run folder: whose weights a backbone of your own class starts from."""
    frozen: bool = False
    """Leave the backbone as it starts, and train what stands on it alone; batch norm's statistics are the store's."""
    eval_store: Path | None = None
    """Folder of held-out episodes: metrics.json says how well they align and what can be read from them; of Grasp2Vec's
    grasps, how often the object is retrieved.
    """
    fit: FitConfig = field(default_factory=FitConfig)
    """How long, how fast and where."""


@dataclass(frozen=True)
class PretextConfig:
    """Train a backbone by a pretext task on an episode store, or on a plain folder of images or videos."""

    run: Path
    """Folder of the run; one that was stopped goes on from its last checkpoint."""
    store: Path | None = None
    """Folder of the episodes to learn from."""
    images: Path | None = None
    """Folder of image files to learn from instead; they are copied, as squares, to `<run>/images`."""
    videos: Path | None = None
    """Folder of video files to learn from instead; their frames are copied, as squares, to `<run>/videos`."""
    image_px: int = 64
    """Side of these squares."""
    crops: int = 0
    """Random squares of each image beside its middle: of few large images, many small ones."""
    every: int = 1
    """Keep one of so many frames of a video."""
    task: str = "rotation"
    """A pretext task's name, or your own package.module:Class; or several, as rotation+jigsaw+video_colorization."""
    options: dict[str, Any] = field(default_factory=dict)
    """The task's options, as batch=32; of several tasks, as rotation.batch=32, and their weights=[1,0.5,1]."""
    backbone: str = "conv"
    """A backbone's name (conv, wide_conv, resnet, ...), your own package.module:Class, or the folder of any objective's
    run, whose backbone this one starts as a copy of.
    """
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """The backbone's options, as width=64 'blocks=[2,2,2,2]'."""
    init: Path | None = None
    """Checkpoint of any objective, or its run folder: whose weights a backbone of your own class starts from."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How long, how fast and where."""
