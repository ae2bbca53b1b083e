"""The colour of what is colourful in a picture."""

from __future__ import annotations

import cv2
import numpy as np

FAINT = 0.3
"""Chroma, largest minus smallest of R, G, B in [0, 1], up to which a pixel counts as background."""


def hues(frames: np.ndarray, faint: float = FAINT) -> np.ndarray:
    """Return the mean hue of each frame, uint8 (N, H, W, 3), weighted by chroma above `faint`: (N,) in [0, 1), NaN
    where nothing is colourful.

    Red is 0, green 1/3, blue 2/3.
    """
    values = np.asarray(frames, np.float32) / 255
    chroma = values.max(-1) - values.min(-1)
    degrees = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)[..., 0] for frame in values])
    weight = np.clip(chroma - faint, 0, None)
    mean = (weight * np.exp(1j * np.deg2rad(degrees))).sum((1, 2))
    return np.where(weight.any((1, 2)), np.angle(mean) / (2 * np.pi) % 1.0, np.nan)


def same_hue(found: np.ndarray, wanted: np.ndarray, bins: int = 8) -> np.ndarray:
    """Return whether hues (N,) lie in the one of `bins` equal bins whose middle is the wanted hue; NaN never does."""
    apart = np.abs((np.asarray(found) - np.asarray(wanted) + 0.5) % 1.0 - 0.5)
    return apart < 0.5 / bins
