"""The trainings of the bench of video tasks: on simulated video, on real clips, and where nothing can be learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from scripts.bench import _image_scores, _video_truth
from scripts.bench import _video_scores as scores
from scripts.bench._figures import Results
from scripts.bench._image_scores import metrics
from scripts.bench._intervals import Figure
from scripts.bench._jobs import MOVED_BY, Job, Measured, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from scripts.bench._trials import Trial, named
from scripts.bench._video_config import VideoConfig
from scripts.bench._video_data import is_recorded, record, stores
from sslctrl.store import EpisodeStore
from vision import propagation
from vision.video_task import VideoTask

_LARGE = {"side": 0.2}
"""Of patches of the large clips: a person is a tenth of the picture wide."""
_MEASURING = scores, _video_truth, _image_scores, propagation
"""The modules that measure."""
_ASKED = 4
"""Times as many questions as others, where chance has to be told from a little more."""


def leaked(task: VideoTask, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the answer is right where nothing tells it, of both classes alike."""
    task.prepare(store)
    told = [metrics(task, store, seed + 1000 * part) for part in range(_ASKED)]
    return {"": float(np.mean([one["balanced" if "balanced" in one else "accuracy"] for one in told]))}


TRIALS: dict[str, dict[str, Trial]] = {
    "tracking": {
        "sim": Trial(scores.tracked, 400),
        "real": Trial(scores.tracked, 400, "clips_large", _LARGE),
    },
    "facenet_triplet": {
        "sim": Trial(scores.recognised, 400),
        "real": Trial(scores.recognised, 400, "clips_large", _LARGE),
    },
    "shuffle_and_learn": {
        "sim": Trial(scores.balanced, 800),
        "real": Trial(scores.balanced, 800, "clips", {"reach": 8, "gap": 6}),
        "leak": Trial(leaked, 800, "grainy"),
    },
    "odd_one_out": {
        "sim": Trial(scores.odd, 400),
        "real": Trial(scores.odd, 600, "clips"),
        "leak": Trial(leaked, 400, "grainy"),
    },
    "arrow_of_time": {
        "sim": Trial(scores.accuracy, 700, "sim"),
        "falls": Trial(scores.accuracy, 400, "falls"),
        "real": Trial(scores.accuracy, 500, "clips"),
        "controlled": Trial(scores.accuracy, 700, "to_and_fro"),
        "leak": Trial(leaked, 700, "both_ways"),
    },
    "video_colorization": {
        "sim": Trial(scores.followed_pushes, 300),
        "real": Trial(scores.followed_box, 300, "clips"),
    },
}


def measure(config: VideoConfig) -> dict[str, Figure]:
    """Run what is missing and return all figures of the file. Raises DataError or StorageError for a bad file."""
    results = Results(config.file, config.command, config.seeds)
    real = Path(config.runs) / config.tier.folder("video")
    root = real.with_name(f"{real.name}-{settings_hash(record, *MOVED_BY)}")
    record(root / "video", config)
    for task in config.chosen:
        folders = {where: trial.folder(task, where, *_MEASURING) for where, trial in TRIALS[task].items()}
        places = {where: root if is_recorded(trial.data) else real for where, trial in TRIALS[task].items()}
        jobs = [
            Job(
                places[where] / f"seed-{seed}" / run,
                seed,
                where,
                train_and_measure,
                (task, where, seed, root, config.tier),
            )
            for seed in config.seeds
            for where, run in folders.items()
        ]
        for done in run_jobs(jobs, config):
            results.record(over_seeds([figures_of(task, seed) for seed in done.seeds], unit), done.origin)
    return results.figures


def train_and_measure(run: Path, task: str, where: str, seed: int, root: Path, tier: Tier) -> Measured:
    """Train one task in the folder above and return its score and what it cost."""
    torch.set_num_threads(1)
    trial = TRIALS[task][where]
    return trial.measured(task, *stores(trial.data, root), run.parent, seed, tier)[1]


def figures_of(task: str, trials: dict[str, Measured]) -> Measured:
    """Return one seed's figures of a task: `<task>.sim`, `<task>.sim_minutes`, `<task>.leak`, ...; of what is told
    beside others' figures, by how much it is above them.
    """
    values = named(task, trials)
    for where, found in trials.items():
        for what in ("j", "pck"):
            values |= {
                f"{task}.{where}_{what}_over_{name}": found[what] - found[f"{what}_{name}"]
                for name in ("identity", "random", "dis")
                if f"{what}_{name}" in found
            }
        if task == "arrow_of_time" and where == "leak":
            values[f"{task}.leak_off_chance"] = abs(found[""] - 0.5)
        if "raw" in found:
            values[f"{task}.{where}_over_raw"] = found[""] - found["raw"]
    if task == "video_colorization":
        values |= {f"{task}.sim": values[f"{task}.sim_j"], f"{task}.real": values[f"{task}.real_pck"]}
    return values


def unit(name: str) -> str:
    """Return the unit of a figure."""
    if name.endswith("minutes"):
        return "min"
    if name.endswith("gallery"):
        return "things"
    return "IoU" if "_j" in name or name == "video_colorization.sim" else "fraction"
