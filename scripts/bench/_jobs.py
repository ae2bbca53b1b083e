"""Trainings of a bench, side by side: each is kept when it is done, and not run again."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import joblib
import numpy as np
from filelock import FileLock

from envs import behaviors, panda
from scripts.bench._bench_config import BenchConfig
from scripts.bench._figures import Origin, origin
from scripts.bench._intervals import Figure, Statistic, from_seeds
from scripts.bench._ledger import Ledger, Measured
from scripts.bench._tier import Tier
from sslctrl import checkpoint, durable
from sslctrl.errors import InputError
from sslctrl.fit import fit
from sslctrl.fit_config import FitConfig
from sslctrl.objective import Objective
from sslctrl.run import write_atomically
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective
from vision.untrained import settle

KEPT = "measured.json"
_WARMUP = 100
_IN_BATCHES = ("slow_start",)
"""Options that are numbers of batches: a quick look has as large a share of them as of all batches."""

MOVED_BY = behaviors, panda
"""Who moves how where things are pushed: part of the names of recordings, and so of what is learned from them."""


@dataclass(frozen=True)
class Variant:
    """One way to learn an embedding."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    steps: int = 3000
    backbone_options: dict[str, Any] = field(default_factory=dict)
    lr: float = 2e-3

    def build(self, seed: int) -> Objective:
        """Return it untrained."""
        return build_objective(ObjectiveSpec(self.name, self.options, "conv", self.backbone_options, seed=seed))

    def train(self, run: Path, store: Path, seed: int, tier: Tier) -> Path:
        """Train it for the tier's share of `steps` and return its checkpoint. What takes no steps is an untrained net,
        settled on the store. One that is there is taken as it is, also from another machine, whose recording of the
        same settings and seed has other versions in its digest.
        """
        steps = tier.learned(self.steps)
        path = checkpoint.step_folder(run, steps)
        if path.exists():
            return path
        shorter = {name: tier.learned(count) for name, count in self.options.items() if name in _IN_BATCHES}
        objective, video = replace(self, options=self.options | shorter).build(seed), EpisodeStore(store)
        if not self.steps:
            for backbone in objective.backbones:
                settle(backbone, video, seed)
            checkpoint.save(path, KIND, spec_of(objective), objective.state_dict(), {})
            return path
        warmup = min(_WARMUP, tier.learned(_WARMUP))
        return fit(objective, video, run, FitConfig(steps, lr=self.lr, seed=seed, device="auto", warmup=warmup))

    def folder(self, name: str, *made_from: object) -> str:
        """Return the name of its runs' folder: another for other settings, defaults of its classes among them, and for
        what else it is made from, so that no kept run stands in for them.
        """
        return f"{name}-{settings_hash(spec_of(self.build(0)), self.steps, self.lr, *made_from)}"


def short_hash(text: str) -> str:
    """Return a name for what a text says."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def settings_hash(*settings: object) -> str:
    """Return a name for settings: of functions and modules their source, of all else what it looks like."""
    code = FunctionType, ModuleType
    plain = [inspect.unwrap(one) if callable(one) else one for one in settings]
    return short_hash("\n".join(inspect.getsource(one) if isinstance(one, code) else repr(one) for one in plain))


class Job(NamedTuple):
    """One training of one seed: `run(folder, *arguments)` returns what is measured of it."""

    folder: Path
    seed: int
    name: str
    run: Callable[..., Measured]
    arguments: tuple[Any, ...]
    needs: Job | None = None
    """What it builds on: done first, where it is not in the runs."""


class Done(NamedTuple):
    """What is measured so far."""

    seeds: list[dict[str, Measured]]
    """Of each seed, by the jobs' names."""
    origin: Origin
    """Where it is from: what is kept keeps its own."""


def run_jobs(jobs: Sequence[Job], config: BenchConfig) -> Iterator[Done]:
    """Run what is missing and yield, after each seed, what is measured of all seeds done so far.

    Jobs are in order of their seeds, their folders below the config's.
    """
    now, ledger = origin(), Ledger(config.ledger)
    names = [job.folder.relative_to(config.runs).as_posix() for job in jobs]
    known = {name: found for name in names if config.reuse and (found := ledger.get(name))}
    parallel = joblib.Parallel(n_jobs=config.workers, return_as="generator")
    queue = needed_first([job for job, name in zip(jobs, names, strict=True) if name not in known])
    measured: Iterator[Any] = iter(parallel(joblib.delayed(_kept)(job, now, config.runs) for job in queue))
    new = zip(queue, measured, strict=True)
    seeds: list[dict[str, Measured]] = []
    origins: list[Origin] = []
    for _, of_seed in groupby(zip(jobs, names, strict=True), key=lambda pair: pair[0].seed):
        seeds.append({})
        for job, name in of_seed:
            source, values = known[name] if name in known else next(values for one, values in new if one is job)
            ledger.put(name, source, values)
            ledger.save()
            seeds[-1][job.name] = values
            origins.append(source)
        yield Done(seeds, Origin.joined(origins))
    deque(new, maxlen=0)  # nothing is left, but joblib warns of an iterator that was not asked to its end


def needed_first(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs, seed by seed, after what they build on: side by side, fewer then wait for what another is at."""
    queue: list[Job] = []
    for _, of_seed in groupby(jobs, key=lambda job: job.seed):
        ordered = list(of_seed)
        new = [job.needs for job in ordered if job.needs is not None and not (job.folder / KEPT).exists()]
        queue += {needed.folder: needed for needed in new}.values()
        queue += ordered
    return queue


def over_seeds(
    seeds: Sequence[Measured], unit: Callable[[str], str], statistic: Statistic = np.median
) -> dict[str, Figure]:
    """Return each figure over the seeds, by default the median, with its bootstrap interval."""
    return {name: from_seeds([one[name] for one in seeds], unit(name), statistic) for name in seeds[0]}


def _kept(job: Job, now: Origin, runs: Path) -> tuple[Origin, Measured]:
    """Return the commit and machine that a job's values are from, and the values. No two processes do one job.

    Raises InputError where a value is not finite.
    """
    path, locks = job.folder / KEPT, runs / ".locks"  # in a folder that no job deletes
    durable.make_folder(locks)
    with FileLock(locks / short_hash(str(job.folder))):
        if not path.exists():
            if job.needs is not None:
                _kept(job.needs, now, runs)
            plain = {name: float(value) for name, value in job.run(job.folder, *job.arguments).items()}
            if wrong := [name for name, value in plain.items() if not math.isfinite(value)]:
                raise InputError(
                    f"{job.folder} measured {wrong[0]} {plain[wrong[0]]}; allowed are finite numbers; mend it"
                )
            durable.make_folder(job.folder)
            write_atomically(path, json.dumps({**now._asdict(), "values": plain}, indent=1) + "\n")
    kept = json.loads(path.read_text())
    return Origin(kept["commit"], kept["machine"]), kept["values"]
