"""Intervals of a few numbers: over rounds of one machine, and over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sslctrl.errors import InputError

RESAMPLES = 2000

Statistic = Callable[..., Any]
"""As `numpy.median`: takes an array and `axis`."""


class Figure(NamedTuple):
    """One measured number with what it can be trusted to."""

    value: float
    low: float
    high: float
    n: int
    """How many rounds, seeds or cases it was made of."""
    unit: str
    """`ratio`, `ms`, `1/s`, ...; `fraction` for shares of one."""


def from_rounds(values: Sequence[float], unit: str, statistic: Statistic = np.min) -> Figure:
    """Return a figure of repeated measurements, by default the smallest; its range is that of the rounds."""
    rounds = _checked(values)
    return Figure(float(statistic(rounds)), float(rounds.min()), float(rounds.max()), len(rounds), unit)


def from_seeds(values: Sequence[float], unit: str, statistic: Statistic = np.median) -> Figure:
    """Return a figure over seeds, by default the median, with its percentile bootstrap 95 % interval (Efron 1979)."""
    seeds = _checked(values)
    draws = np.random.default_rng(0).choice(seeds, (RESAMPLES, len(seeds)))
    low, high = np.percentile(statistic(draws, axis=1), [2.5, 97.5])
    return Figure(float(statistic(seeds)), float(low), float(high), len(seeds), unit)


def iqm(values: np.ndarray, axis: int = -1) -> np.ndarray:
    """Interquartile mean (Agarwal et al. 2021, section 4.3): the mean of the middle half, ends weighted by their share.

    Of 1, 2, 3, 4 it is 2.5; of 0, 1, 2, 30, 100 it is (0.75 x 1 + 2 + 0.75 x 30) / 2.5 = 10.1.
    """
    ordered = np.sort(np.moveaxis(np.asarray(values, np.float64), axis, -1))
    edges = np.linspace(0, 1, ordered.shape[-1] + 1)
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return ordered @ (weights / weights.sum())


def _checked(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise InputError(f"a figure of {array.tolist()}; allowed are one or more finite numbers; mend the measurement")
    return array
