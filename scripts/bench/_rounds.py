"""CPU time of pieces of work that take turns, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scripts.bench._intervals import Figure, from_rounds

Work = Callable[[], int]
"""Does a fixed piece of work and returns how many units (steps, frames, batches) it was."""


def cpu_seconds(works: Mapping[str, Work], rounds: int, turns: int) -> dict[str, list[float]]:
    """Return every work's CPU seconds a unit, one number a round.

    In a round each has ``turns`` turns, one after the other. All are run once before, unmeasured. The whole process's
    CPU time counts, threads included.
    """
    for work in works.values():
        work()
    costs: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        spent, units = dict.fromkeys(works, 0.0), dict.fromkeys(works, 0)
        gc.collect()  # no one pays for what went before
        for _ in range(turns):
            for name, work in works.items():
                start = time.process_time()
                units[name] += work()
                spent[name] += time.process_time() - start
        for name in works:
            costs[name].append(spent[name] / units[name])
    return costs


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Figure:
    """Return how many times as fast ours is: the smallest of the rounds, each of which has its own ratio."""
    return from_rounds(np.divide(theirs, ours).tolist(), "ratio")


def milliseconds(costs: Sequence[float]) -> Figure:
    """Return the median cost of a unit in ms of CPU time."""
    return from_rounds([1e3 * cost for cost in costs], "ms", np.median)


def per_second(costs: Sequence[float], each: int = 1) -> Figure:
    """Return the median number of units, ``each`` counting that much, in a second of CPU time."""
    return from_rounds([each / cost for cost in costs], "1/s", np.median)
