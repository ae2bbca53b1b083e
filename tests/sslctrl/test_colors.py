from __future__ import annotations

import colorsys

import numpy as np
import pytest

from sslctrl.metrics.colors import hues, same_hue


def patch(hue: float, saturation: float = 0.9, value: float = 0.8) -> np.ndarray:
    """A grey frame with a patch of one colour."""
    frame = np.full((16, 16, 3), 120, np.uint8)
    frame[4:9, 5:11] = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255
    return frame


@pytest.mark.parametrize("hue", [0.0, 0.07, 0.2, 1 / 3, 0.47, 2 / 3, 0.8, 0.94])
def test_the_hue_is_that_of_what_is_colourful(hue: float) -> None:
    found = hues(patch(hue)[None])[0]
    assert abs((found - hue + 0.5) % 1 - 0.5) < 0.01


def test_red_is_a_circle_and_grey_is_nothing() -> None:
    both = np.stack([patch(0.98), patch(0.02)])
    assert np.isnan(hues(patch(0.5, saturation=0.1)[None])[0])
    mixed = both.max(0)
    mixed[4:9, 5:8] = both[0][4:9, 5:8]
    mixed[4:9, 8:11] = both[1][4:9, 8:11]
    assert min(hues(mixed[None])[0], 1 - hues(mixed[None])[0]) < 0.01  # not a half, the mean of the numbers


def test_bins_lie_round_the_wanted_hue() -> None:
    found = same_hue(np.array([0.99, 0.05, 0.07, np.nan]), np.array([0.01, 0.0, 0.0, 0.0]))
    assert found.tolist() == [True, True, False, False]
