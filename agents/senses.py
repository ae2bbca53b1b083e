"""What a policy is shown of a moment, and what of it the reward compares with the goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agents.encoders import Encoder, Observer
from sslctrl.history import History

Raw = Mapping[str, np.ndarray]
"""A batch of moments as `envs.pixels` has them: pixels (N, H, W, 3) or (N, n, H, W, 3), proprio (N, P),
state (N, S), time (N, 1), ..."""


class Percept(NamedTuple):
    """A batch of N moments, encoded."""

    seen: np.ndarray
    """float32 (N, K): the observer's; K = 0 where there is none."""
    achieved: np.ndarray
    """float32 (N, D): what the reward compares with the goal."""


@dataclass(frozen=True)
class Senses:
    """Encoders of both sides; where they are one and the same, frames are encoded once."""

    observer: Observer | None
    """The policy sees what this one does, how that changed since the moment before, proprioception and time, since one
    frame shows no velocity; None: the true state and time.
    """
    judged: Encoder | None
    """The reward compares this encoding; None: true coordinates."""
    columns: tuple[int, ...] = ()
    """Which of the true state's, where it compares those; none: the task's own goal coordinates."""

    @property
    def size_px(self) -> int | None:
        """Side of the frames that are needed, or None where none are."""
        encoder = self.observer or self.judged
        return encoder.size_px if encoder else None

    @property
    def need_state(self) -> bool:
        """Whether the policy sees the true state, or the reward compares it."""
        return self.observer is None or self.judged is None

    @property
    def history(self) -> History:
        """The frames that are needed of each moment: the longer of the two encoders'."""
        both = [encoder.history for encoder in (self.observer, self.judged) if encoder]
        return max(both, default=History())

    def __call__(self, raw: Raw) -> Percept:
        """Encode a batch of moments."""
        seen = None if self.observer is None else self.observer.observe_hwc(_moments(self.observer, raw["pixels"]))
        if self.judged is None:
            achieved = raw["state"][:, list(self.columns)] if self.columns else raw["achieved_goal"]
        elif self.judged is self.observer and seen is not None:
            achieved = seen[:, : self.judged.dim]
        else:
            achieved = self.judged.embed_hwc(_moments(self.judged, raw["pixels"]))
        seen = np.empty((len(achieved), 0)) if seen is None else seen
        return Percept(np.asarray(seen, np.float32), np.asarray(achieved, np.float32))

    def observation(self, raw: Raw, seen: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return what the policy sees of moments, goals aside, float32 (N, O): `seen` (N, K) is theirs, `before` (N, K)
        that of the moments before, an episode's first one itself.
        """
        parts = [raw["state"]] if self.observer is None else [seen, seen - before, raw["proprio"]]
        return np.concatenate([*parts, raw["time"]], axis=1, dtype=np.float32)

    def goal(self, raw: Raw) -> np.ndarray:
        """Encode what the worlds' goals look like, as the reward compares it, at the first moments of episodes."""
        if self.judged is not None:
            return np.asarray(self.judged.embed_hwc(_standing_still(self.judged.history, raw)), np.float32)
        columns = list(self.columns)
        return np.asarray(raw["goal_state"][:, columns] if columns else raw["desired_goal"], np.float32)


def _standing_still(history: History, raw: Raw) -> np.ndarray:
    """Return moments that show the goal, and before it, where the history asks for it, the episode's first frame."""
    if not history.moment:
        return raw["goal_pixels"]
    first = [raw["pixels"][:, 0]] * history.first
    return np.stack(first + [raw["goal_pixels"]] * history.frames, axis=1)


def _moments(encoder: Encoder, pixels: np.ndarray) -> np.ndarray:
    """Return the moments that an encoder reads: of those of several frames, one of single frames sees the last."""
    return pixels if encoder.history.moment or pixels.ndim == 4 else pixels[:, -1]
