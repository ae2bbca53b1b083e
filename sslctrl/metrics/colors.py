"""The colour of what is colourful in a picture."""

from __future__ import annotations

import numpy as np

FAINT = 0.3
"""Chroma, largest minus smallest of R, G, B in [0, 1], up to which a pixel counts as background."""


def hues(frames: np.ndarray, faint: float = FAINT) -> np.ndarray:
    """Return the mean hue of each frame, uint8 (N, H, W, 3), weighted by chroma above `faint`: (N,) in [0, 1), NaN
    where nothing is colourful.

    Red is 0, green 1/3, blue 2/3.
    """
    values = np.asarray(frames, np.float64) / 255
    high, low = values.max(-1), values.min(-1)
    chroma = high - low
    red, green, blue = np.moveaxis(values, -1, 0)
    safe = np.where(chroma > 0, chroma, 1)
    sextant = np.where(
        high == red, (green - blue) / safe, np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    weight = np.clip(chroma - faint, 0, None)
    mean = (weight * np.exp(2j * np.pi * sextant / 6)).sum((1, 2))
    return np.where(weight.any((1, 2)), np.angle(mean) / (2 * np.pi) % 1.0, np.nan)


def same_hue(found: np.ndarray, wanted: np.ndarray, bins: int = 8) -> np.ndarray:
    """Return whether hues (N,) lie in the one of `bins` equal bins whose middle is the wanted hue; NaN never does."""
    apart = np.abs((np.asarray(found) - np.asarray(wanted) + 0.5) % 1.0 - 0.5)
    return apart < 0.5 / bins
