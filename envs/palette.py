"""Colours of objects: a training set and a held-out set that share no hue."""

from __future__ import annotations

import colorsys

import numpy as np

HELDOUT_HUES = (0.13, 0.47, 0.80)  # amber, teal, violet: each half way between two training hues
TRAIN_HUES = (0.0, 0.07, 0.20, 0.33, 0.40, 0.54, 0.61, 0.67, 0.73, 0.87, 0.94)
HUE_JITTER = 0.015
RED = colorsys.hsv_to_rgb(0.0, 0.85, 0.85)


def sample_color(rng: np.random.Generator, variety: str) -> tuple[float, float, float]:
    """A colour (r, g, b) in [0, 1]: ``fixed`` gives red, ``train`` and ``heldout`` draw from their hues."""
    if variety == "fixed":
        return RED
    hues = HELDOUT_HUES if variety == "heldout" else TRAIN_HUES
    hue = rng.choice(hues) + rng.uniform(-HUE_JITTER, HUE_JITTER)
    return colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.7, 1.0), rng.uniform(0.65, 0.95))
