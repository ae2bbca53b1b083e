"""The trainings of the bench of image tasks: each task on simulated frames, on real images, and on white noise."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from envs.collect import collect
from envs.collect_config import CollectConfig
from scripts.bench import _classifier, _image_counts, _image_probe
from scripts.bench import _image_scores as scores
from scripts.bench._classifier import classifier
from scripts.bench._data import store_of
from scripts.bench._figures import Results
from scripts.bench._image_config import ImageConfig
from scripts.bench._image_counts import numbers, record_bins
from scripts.bench._image_probe import PLACES, Features, classes, pooled, positions, principal
from scripts.bench._intervals import Figure
from scripts.bench._jobs import MOVED_BY, Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from scripts.bench._trials import Trial, named
from sslctrl.clips import Episode
from sslctrl.footage import footage
from sslctrl.metrics import probe
from sslctrl.rng import numpy_rng, torch_rng
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective, load_objective
from vision.image_task import ImageTask
from vision.untrained import settle

CAMERAS = ("front", "left", "right")
_NOISE, _TIMED_STEPS = 40, 5
_SUPERVISED = Variant("supervised", {"columns": PLACES}, 800)
RANDOMIZE = 0.5
"""Of light, colours and cameras: a background that never changes would be learned by heart."""


_MEASURING = _image_probe, scores, _image_counts, _classifier, probe
"""The modules that measure."""


TRIALS: dict[str, dict[str, Trial]] = {
    "exemplar": {
        "sim": Trial(scores.accuracy, 1200, lr=3e-3, on_train=True),
        "real": Trial(scores.accuracy, 1200, "photos", lr=3e-3, on_train=True),
    },
    "rotation": {
        "sim": Trial(scores.accuracy, 600),
        "real": Trial(scores.accuracy, 1000, "fashion"),
        "leak": Trial(scores.accuracy, 200, "noise"),
    },
    "relative_position": {
        "sim": Trial(scores.accuracy, 2500),
        "real": Trial(scores.accuracy, 2500, "stamps"),
        "photos": Trial(scores.accuracy, 2500, "photos"),
        "leak": Trial(scores.accuracy, 200, "noise"),
    },
    "jigsaw": {
        "sim": Trial(scores.accuracy, 1200),
        "real": Trial(scores.accuracy, 1200, "fashion"),
        "leak": Trial(scores.accuracy, 200, "noise"),
    },
    "counting": {
        "sim": Trial(scores.counted, 800),
        "real": Trial(scores.counted, 800, "photos"),
        "objects": Trial(scores.numbered, 800, "bins"),
    },
    "colorization": {"sim": Trial(scores.colored, 1000), "real": Trial(scores.colored, 250, "photos", lr=1e-3)},
    "denoising": {"sim": Trial(scores.restored, 800), "real": Trial(scores.restored, 800, "photos")},
    "context_encoder": {"sim": Trial(scores.filled, 800), "real": Trial(scores.filled, 800, "photos")},
    "split_brain": {
        "sim": Trial(scores.deep, 800, options={"split": "rgbd"}),
        "real": Trial(scores.split, 250, "photos", lr=1e-3),
    },
    "gan": {
        "sim": Trial(scores.nothing, 800),
        "real": Trial(scores.generated, 3000, "fashion"),
    },
    "bigan": {"sim": Trial(scores.inverted, 800), "real": Trial(scores.inverted, 1500, "fashion", {"batch": 64})},
}
_UNITS = {
    "denoising": "dB", "counting": "ratio", "context_encoder": "ratio", "split_brain": "ratio", "bigan": "ratio",
    "gan": "classes",
}  # fmt: skip
"""Of scores that are no fraction."""
CHANCE = {"rotation": 1 / 4, "relative_position": 1 / 8, "jigsaw": 1 / 24}


def measure(config: ImageConfig) -> dict[str, Figure]:
    """Run what is missing and return all figures of the file. Raises DataError or StorageError for a bad file."""
    results = Results(config.file, config.command, config.seeds)
    root = Path(config.runs) / f"{config.tier.folder('image')}-{settings_hash(record, *MOVED_BY)}"
    record(root / "video", config)

    def jobs(folders: dict[str, str], run: Callable[..., Measured], *given: Any) -> list[Job]:
        return [
            Job(root / f"seed-{seed}" / folder, seed, name, run, (*given, name, seed, root, config.tier))
            for seed in config.seeds
            for name, folder in folders.items()
        ]

    untrained, measuring = [], settings_hash(of_baseline, _untrained, settle, *_MEASURING)
    baselines = {"random": "random", "pixels": "pixels", "supervised": _SUPERVISED.folder("supervised")}
    for done in run_jobs(jobs({name: f"{run}/{measuring}" for name, run in baselines.items()}, of_baseline), config):
        untrained = [seed["random"] for seed in done.seeds]
        plain = [
            {f"{name}.{what}": value for name, one in seed.items() for what, value in one.items()}
            for seed in done.seeds
        ]
        results.record(over_seeds(plain, unit), done.origin)
    for task in config.chosen:
        folders = {where: trial.folder(task, where, *_MEASURING) for where, trial in TRIALS[task].items()}
        for done in run_jobs(jobs(folders, train_and_measure, task), config):
            found = [figures_of(task, *both) for both in zip(done.seeds, untrained, strict=False)]
            results.record(over_seeds(found, unit), done.origin)
    return results.figures


def train_and_measure(run: Path, task: str, where: str, seed: int, root: Path, tier: Tier) -> Measured:
    """Train one task in the folder above and return its score, what its backbone is good for, and what it cost."""
    torch.set_num_threads(1)
    trial = TRIALS[task][where]
    train, test = stores(trial.data, root)
    objective, values = trial.measured(task, train, test, run.parent, seed, tier)
    if where == "sim":
        values |= positions(pooled(objective), test)
        assert isinstance(objective, ImageTask)
        values["transform_share"] = transform_share(objective, train)
    if where == "real":
        values |= classes(pooled(objective))
    return values


def transform_share(task: ImageTask, store: EpisodeStore) -> float:
    """Return which part of a training step's CPU time the transforms of pixels take."""
    clips, ask, spent = store.clips(task.pick(store.layout, numpy_rng(0, 0))), task.ask, []

    def timed(*given: Any) -> Any:
        start = time.process_time()
        try:
            return ask(*given)
        finally:
            spent.append(time.process_time() - start)

    vars(task.train())["ask"] = timed  # found before the class's own
    start = time.process_time()
    for step in range(_TIMED_STEPS):
        task.loss(clips, torch_rng(0, step)).value.backward()
    total = time.process_time() - start
    del vars(task)["ask"]
    return sum(spent) / total


def of_baseline(run: Path, name: str, seed: int, root: Path, tier: Tier) -> Measured:
    """Return what can be read from an untrained backbone, raw pixels, or one trained on true positions and classes."""
    torch.set_num_threads(1)
    train, test = stores("sim", root)
    if name == "pixels":
        return positions(principal(train), test) | classes(principal(store_of("fashion", "train")))
    if name == "supervised":
        objective = load_objective(_SUPERVISED.train(run.parent, train.root, seed, tier))
        return positions(pooled(objective), test) | classes(pooled(classifier(seed, tier)))
    bins = stores("bins", root)
    return {
        **positions(_untrained(train, seed), test),
        **classes(_untrained(store_of("fashion", "train"), seed)),
        "objects_r2": numbers(_untrained(bins[0], seed), bins[1]),
    }


def _untrained(store: EpisodeStore, seed: int) -> Features:
    """Return what an untrained backbone makes of the images of a store."""
    random = build_objective(ObjectiveSpec("rotation", seed=seed))
    settle(random.backbone, store, seed)
    return pooled(random)


def figures_of(task: str, trials: dict[str, Measured], random: Measured) -> Measured:
    """Return one seed's figures of a task: `<task>.sim`, `<task>.sim_minutes`, `<task>.leak`, ..."""
    values = named(task, trials)
    if task in CHANCE:
        values[f"{task}.leak"] = abs(values[f"{task}.leak"] - CHANCE[task])
    if f"{task}.sim_probe_r2" in values:
        values[f"{task}.probe_gain_over_random"] = values[f"{task}.sim_probe_r2"] - random["probe_r2"]
    if f"{task}.objects_r2" in values:
        values[f"{task}.objects_gain_over_random"] = values[f"{task}.objects_r2"] - random["objects_r2"]
    return values


def unit(name: str) -> str:
    """Return the unit of a figure."""
    task, _, figure = name.partition(".")
    where, _, what = figure.partition("_")
    if where in TRIALS.get(task, {}) and not what:
        return _UNITS.get(task, "fraction")
    endings = {
        "r2": "R^2", "over_random": "R^2", "db": "dB", "minutes": "min", "prior": "nat", "own": "nat",
        "norm": "length", "telea": "ratio", "taken_for": "classes",
    }  # fmt: skip
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "fraction")


def record(folder: Path, config: ImageConfig) -> None:
    """Record simulated video to learn from and other episodes to test on, both with depth; bins of few or
    many objects; and white noise.
    """
    common: dict[str, Any] = {
        "steps": 100, "cameras": CAMERAS, "randomize": RANDOMIZE, "depth": True, "workers": config.workers
    }  # fmt: skip
    collect(CollectConfig(folder / "train", episodes=config.tier.learned(60), **common))
    collect(CollectConfig(folder / "test", episodes=config.tier.asked(40), seed=10_000, **common))
    record_bins(folder / "bins" / "train", config.tier.learned(40), RANDOMIZE, 0, config.workers)
    record_bins(folder / "bins" / "test", config.tier.asked(40), RANDOMIZE, 1, config.workers)
    noise = EpisodeStore(folder / "noise", create=True)
    for number in range(len(noise), _NOISE):
        noise.add(white_noise(number), f"{number:06d}")


def white_noise(seed: int) -> Episode:
    """Return a hundred frames without anything to learn."""
    frames = np.random.default_rng([seed, 8]).integers(0, 256, (1, 100, 64, 64, 3), np.uint8)
    return footage(frames, ("image",))


def stores(data: str, root: Path) -> tuple[EpisodeStore, EpisodeStore]:
    """Return what is learned from, and what is tested on. Raises DataError where real images were not fetched."""
    if data in ("sim", "bins"):
        folder = root / "video" / ("bins" if data == "bins" else "")
        return EpisodeStore(folder / "train"), EpisodeStore(folder / "test")
    if data == "noise":
        noise = EpisodeStore(root / "video" / "noise")
        return noise.subset(noise.ids[: _NOISE // 2]), noise.subset(noise.ids[_NOISE // 2 :])
    return store_of(data, "train"), store_of(data, "test")
