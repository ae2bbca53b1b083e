"""How long, how fast and where `fit` trains. Kept apart from the loop so that a `--help` need not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sslctrl.errors import InputError, check_among, check_least


@dataclass(frozen=True)
class FitConfig:
    """Settings of one training run. Raises InputError for a value that cannot be."""

    steps: int = 2000
    """Batches to train on; the learning rate reaches 0 at the last."""
    lr: float = 1e-3
    """Highest learning rate, AdamW's."""
    weight_decay: float = 1e-4
    """AdamW's decay, on weight matrices and kernels; biases and norms have none."""
    warmup: int = 100
    """Steps, at most half of all, over which the learning rate rises linearly before its cosine to 0."""
    clip: float = 0.0
    """Largest norm of the whole gradient; 0 leaves it as it is."""
    seed: int = 0
    """With the step, decides every batch and every random draw."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes the GPU where there is one; a GPU convolves in TF32, all else is float32."""
    threads: int = 1
    """CPU threads of torch; more than one is faster where a core is idle, and slow where the cores are busy."""
    checkpoint_every: int = 500
    """Steps from one checkpoint to the next; the newest two are kept."""
    log_every: int = 20
    """Steps from one logged loss to the next."""
    progress: bool = True
    """Show a progress bar on a terminal."""

    def __post_init__(self) -> None:
        check_least(1, steps=self.steps, threads=self.threads)
        check_least(1, checkpoint_every=self.checkpoint_every, log_every=self.log_every)
        if self.seed >= 2**32:
            raise InputError(f"seed is {self.seed}; allowed is 0 to 2**32 - 1; lower it")
        check_least(0, warmup=self.warmup, seed=self.seed, weight_decay=self.weight_decay, clip=self.clip)
        if not 0 < self.lr < float("inf"):
            raise InputError(f"lr is {self.lr}; allowed is above 0, often 1e-4 to 3e-3; change it")
        check_among(("auto", "cpu", "cuda"), device=self.device)


SHAPES_THE_RESULT = ("steps", "lr", "weight_decay", "warmup", "clip", "seed")
"""The fields that a resumed run must share with the run it goes on with."""
FREE = tuple(f"fit.{name}" for name in FitConfig.__dataclass_fields__ if name not in SHAPES_THE_RESULT)
"""The others, by their names in a config that holds this one as `fit`."""
