"""Where to be: what an episode's reward compares its moments with."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from agents.senses import Raw, Senses
from sslctrl.imagining import Imagining
from sslctrl.objective import channels_first
from sslctrl.rng import numpy_rng
from sslctrl.store import EpisodeStore

_FIT = 7


class Goals(Protocol):
    """Goals, float32 (N, D), of episodes and of their moments."""

    def begin(self, raw: Raw) -> np.ndarray:
        """Return the goals of episodes that begin with these moments."""
        ...

    def now(self, raw: Raw, begun: np.ndarray) -> np.ndarray:
        """Return the goals at these moments of episodes that began with goals (N, D)."""
        ...

    def pictures(self, goals: np.ndarray, raw: Raw) -> np.ndarray | None:
        """Return what goals (N, D) of episodes that begin with these moments look like, uint8 (N, H, W, 3), or None
        where that is not known.
        """
        ...


class Targets:
    """A demonstration's: one for all the time, or one for each time. (K, D), from an episode's start to its end."""

    def __init__(self, targets: np.ndarray) -> None:
        self.targets = targets

    def begin(self, raw: Raw) -> np.ndarray:
        """Return the first target, or whichever it is time for."""
        at = np.rint(raw["time"][:, 0] * (len(self.targets) - 1)).astype(int)
        return self.targets[at]

    def now(self, raw: Raw, begun: np.ndarray) -> np.ndarray:
        """Return the target that it is time for."""
        return self.begin(raw)

    def pictures(self, goals: np.ndarray, raw: Raw) -> None:
        """Return nothing: a target is a vector, and there may be another for each time."""


class Desired:
    """The world's own, in its own coordinates."""

    def begin(self, raw: Raw) -> np.ndarray:
        """Return the world's desired goals."""
        return np.asarray(raw["desired_goal"], np.float32)

    def now(self, raw: Raw, begun: np.ndarray) -> np.ndarray:
        """Return the world's desired goals."""
        return self.begin(raw)

    def pictures(self, goals: np.ndarray, raw: Raw) -> None:
        """Return nothing: a place has no looks."""


class Shown:
    """What the world would look like, were its goal reached: encoded as moments are."""

    def __init__(self, senses: Senses) -> None:
        self.senses = senses

    def begin(self, raw: Raw) -> np.ndarray:
        """Encode the goals' pictures, or their true states."""
        return self.senses.goal(raw)

    def now(self, raw: Raw, begun: np.ndarray) -> np.ndarray:
        """Return the goals that the episodes began with."""
        return begun

    def pictures(self, goals: np.ndarray, raw: Raw) -> np.ndarray | None:
        """Return what is shown, where it is pictures."""
        return None if self.senses.judged is None else raw["goal_pixels"]


class Imagined:
    """Drawn from an embedding's prior, another for each episode (RIG, arXiv 1807.04742, section 4.4)."""

    def __init__(self, embedding: Imagining, seed: int) -> None:
        self.embedding, self.rng = embedding, torch.Generator().manual_seed(seed % 2**64)

    def look_through(self, camera: str, store: EpisodeStore, seed: int) -> None:
        """Draw from what one camera of a store sees: of an embedding of all cameras, most goals are other ones'."""
        if not self.embedding.camera:
            self.embedding.goals.fit_to(self.embedding, store.intact(), camera, numpy_rng(seed, 0, _FIT))

    def sample(self, count: int) -> np.ndarray:
        """Draw goals (count, D)."""
        return self.embedding.goals.sample(count, self.rng).cpu().numpy().astype(np.float32)

    def pictures(self, goals: np.ndarray, raw: Raw) -> np.ndarray:
        """Decode the goals."""
        pixels = raw["pixels"]
        first = channels_first(pixels[:, 0] if pixels.ndim == 5 else pixels)
        return self.embedding.decode(torch.from_numpy(goals), first).movedim(1, -1).cpu().numpy()

    def begin(self, raw: Raw) -> np.ndarray:
        """Draw a goal for each episode."""
        return self.sample(len(raw["time"]))

    def now(self, raw: Raw, begun: np.ndarray) -> np.ndarray:
        """Return the goals that the episodes began with."""
        return begun
