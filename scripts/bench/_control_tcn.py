"""The TCN family on held-out pushing: alignment, attributes, order, motion, reward; beside an autoencoder's, an
untrained net's, a supervised one's and raw pixels'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from agents.demo import DEMONSTRATION_CAMERA, GOAL_M, POLICY_CAMERA, embedding_options
from agents.encoders import PixelEncoder
from agents.report.latent import reward_spearman
from envs.collect import collect
from envs.collect_config import CollectConfig
from envs.tasks.push import Push
from scripts.bench._control_config import ControlConfig
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure
from scripts.bench._jobs import MOVED_BY, Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from sslctrl.embeddings.base import Embedding
from sslctrl.history import History
from sslctrl.metrics.alignment import alignment_of, kendall_tau, state_floor
from sslctrl.metrics.attributes import attribute_error, neighbors_across
from sslctrl.metrics.probe import probe_r2
from sslctrl.store import EpisodeStore
from vision.build import load_embedding
from vision.measure import RESOLUTION_M

SEEN, UNSEEN = ("front", "left", "right"), "corner"
ORBIT_RAD = 0.44
"""How far each episode of the training video carries each camera, either way, as hand-held ones would be: up to 5
degrees from where the unseen camera stands.
"""
LOOK_BACK = 4
"""Steps that the multi-frame net looks back. Velocity is the mean over them: what its frames can show. The simulator's
own, at the very end of a step, is read with an R^2 of .84 and .88 from five perfect positions."""
ARRIVED_M = 0.02
"""Kendall's tau is of the way there: an expert that has arrived stands still, and its steps have no order."""


_PLAIN: dict[str, Any] = {"views_per_batch": 3, "augment": False, "hue": 0.5, "hidden": 0}
_FRAMES: dict[str, Any] = {**_PLAIN, "dim": 128}
STEPS = 4500
"""Batches of every net, but the pair of one frame and of five, which have 3,000 each."""
VARIANTS = {
    "mv": Variant("tcn", {**embedding_options(), "body_weight": 0.7, "slow_s": 1 / 12}, STEPS),
    "plain": Variant("tcn", {**_PLAIN, "slow_s": 0.0}, STEPS),
    "triplet": Variant("tcn", {**_PLAIN, "slow_s": 0.0, "loss": "triplet"}, STEPS),
    "sv": Variant("svtcn", {"augment": True, "hue": 0.5}, STEPS),
    "multi_frame": Variant("mftcn", _FRAMES, 3000),
    "single_frame": Variant("mftcn", {**_FRAMES, "frames": 1}, 3000),
    "supervised": Variant("supervised", {"columns": (0, 1, 4, 5)}, STEPS),
    "autoencoder": Variant("autoencoder", {}, STEPS),
    "random": Variant("tcn", {}, 0),
}
"""`mv` is the demo's, half as long again, whose distances weigh the puck, if less than the demo's do (`slow_s`), so
that views align better; in those of `plain` and `triplet`, the paper's, the hand does.
"""


_SAME = ("alignment_floor", "attribute_error_floor", "pixel_spearman", "pixel_same_view_spearman")
"""Of all variants."""


def figures(config: ControlConfig) -> Iterator[tuple[dict[str, Figure], Origin]]:
    """Yield the figures over the seeds that are done, after each, and where they are from."""
    root = Path(config.runs) / config.tier.folder("tcn")
    folders = {name: variant.folder(name) for name, variant in VARIANTS.items()}
    pixels = f"pixels-{settings_hash(_MEASURING, measure_pixels, PixelEncoder.embed_hwc)}"
    recorded = settings_hash(record, *MOVED_BY)
    jobs = []
    for seed in config.seeds:
        folder = root / f"seed-{seed}-{recorded}"
        record(folder, seed, config)
        jobs += [
            Job(folder / run / _MEASURING, seed, name, train_and_measure, (seed, name, config.tier))
            for name, run in folders.items()
        ]
        jobs.append(Job(folder / pixels, seed, "pixels", measure_pixels, ()))
    for done in run_jobs(jobs, config):
        yield over_seeds([seed_figures(one) for one in done.seeds], unit), done.origin


def record(folder: Path, seed: int, config: ControlConfig) -> None:
    """Record play to learn from, short and long held-out play to measure on, pairs of experts, one demonstration."""
    learned, asked = config.tier.learned, config.tier.asked
    videos: dict[str, dict[str, Any]] = {
        "train": {"episodes": learned(60), "steps": 300, "seed": seed, "cameras": SEEN, "orbit_rad": ORBIT_RAD},
        "heldout": {"episodes": asked(20), "seed": 10_000 + seed, "cameras": (*SEEN, UNSEEN), "variety": "heldout"},
        "long": {"episodes": asked(40), "steps": 300, "seed": 40_000 + seed, "cameras": SEEN[:1], "variety": "heldout"},
    }
    for name, variety in (("expert", "fixed"), ("expert-heldout", "heldout")):  # the same starts, other colours
        videos[name] = {"episodes": asked(20), "seed": 30_000 + seed, "variety": variety}
        videos[name] |= {"behaviors": ("expert",), "goal": GOAL_M, "cameras": SEEN}
    for name, options in videos.items():
        collect(CollectConfig(folder / "video" / name, workers=config.workers, **options))


def train_and_measure(run: Path, seed: int, name: str, tier: Tier) -> Measured:
    """Train one variant in the folder above and return what it is worth."""
    torch.set_num_threads(1)
    video = run.parent.parent / "video"
    embedding = load_embedding(VARIANTS[name].train(run.parent, video / "train", seed, tier))
    return measured(embedding.eval(), video)


def measured(embedding: Embedding, video: Path) -> Measured:
    """Return what an embedding is worth on the held-out video of one seed."""
    heldout = EpisodeStore(video / "heldout")
    values = {
        "alignment": float(alignment_of(embedding, heldout, SEEN).mean()),
        "alignment_unseen_camera": float(alignment_of(embedding, heldout, SEEN, UNSEEN).mean()),
        "alignment_floor": float(np.mean([state_floor(_places(heldout, id), RESOLUTION_M) for id in heldout.ids])),
        "tau": tau(embedding, EpisodeStore(video / "expert"), EpisodeStore(video / "expert-heldout")),
    }
    values |= attributes(embedding, EpisodeStore(video / "long"))
    return values | rewards(embedding, EpisodeStore(video / "expert"), heldout)


class _Pixels(PixelEncoder):
    """Frames as 16 x 16 means, as if they were embeddings: a ridge over all 12,288 pixels takes an hour."""

    embed_video = PixelEncoder.embed_hwc


def measure_pixels(run: Path) -> Measured:
    """Return what raw pixels are worth on the same video; their reward is measured beside each embedding's."""
    video = run.parent / "video"
    heldout, pixels = EpisodeStore(video / "heldout"), cast("Embedding", _Pixels(64, 16))
    return {
        "alignment": float(alignment_of(pixels, heldout, SEEN).mean()),
        "alignment_unseen_camera": float(alignment_of(pixels, heldout, SEEN, UNSEEN).mean()),
        "tau": tau(pixels, EpisodeStore(video / "expert"), EpisodeStore(video / "expert-heldout")),
        **attributes(pixels, EpisodeStore(video / "long")),
    }


def attributes(embedding: Embedding, store: EpisodeStore) -> Measured:
    """Return errors of static and motion attributes between episodes, of the true positions too, and velocities' R^2.

    From one camera's view. `..._error`: the mean over the attributes.
    """
    episodes = [store.read(id) for id in store.ids]
    state = np.concatenate([episode.state for episode in episodes])
    number = np.repeat(np.arange(len(episodes)), store.lengths)
    z = np.concatenate([embedding.embed_video(episode.frames[0]) for episode in episodes])
    labels = Push().attributes(state)
    near, near_truly = (neighbors_across(seen, number) for seen in (z, state[:, [0, 1, 4, 5]]))
    static, motion, floor = (
        {name: attribute_error(values, found) for name, values in group.items()}
        for group, found in ((labels.static, near), (labels.motion, near), (labels.static, near_truly))
    )
    r2 = probe_r2(z, np.concatenate([_moved(episode.state) for episode in episodes]), number)
    return {
        **{f"error_{name}": value for name, value in {**static, **motion}.items()},
        "attribute_error": float(np.mean([*static.values()])),
        "motion_error": float(np.mean([*motion.values()])),
        "attribute_error_floor": float(np.mean([*floor.values()])),
        "velocity_r2": float(r2[:2].mean()),
        "puck_velocity_r2": float(r2[2:].mean()),
    }


def tau(embedding: Embedding, first: EpisodeStore, second: EpisodeStore) -> float:
    """Return the mean Kendall's tau between an expert's pushes and those of the same start with another colour, seen by
    another camera, until the puck has arrived.
    """
    values = []
    for id in first.ids:
        ends = [_arrival(store, id) for store in (first, second)]
        views = ((first, 0), (second, 1))
        z = [embedding.embed_video(store.read(id).frames[view]) for store, view in views]
        if min(ends) >= 2:
            values.append(kendall_tau(z[0][: ends[0] + 1], z[1][: ends[1] + 1]))
    return float(np.mean(values))


def rewards(embedding: Embedding, demonstrations: EpisodeStore, store: EpisodeStore) -> Measured:
    """Return the median rank correlation of reward and progress towards one demonstration's end in another view, that
    of raw pixels, and that of raw pixels in one view.
    """
    goal = demonstrations.read(demonstrations.ids[0])
    found = reward_spearman(embedding, store, POLICY_CAMERA, goal, DEMONSTRATION_CAMERA)
    return {f"{name}_spearman": float(np.median(values)) for name, values in found.items()}


def seed_figures(variants: dict[str, Measured]) -> Measured:
    """Return one seed's figures by name, from those of its variants."""
    values = {
        f"tcn.{name}.{what}": value for name, found in variants.items() for what, value in found.items()
        if "_frame" not in name and what not in _SAME
    }  # fmt: skip
    values |= {
        "tcn.mv.alignment_above_floor": variants["mv"]["alignment"] - variants["mv"]["alignment_floor"],
        "tcn.sv.alignment_over_mv": variants["sv"]["alignment"] / variants["mv"]["alignment"],
        "tcn.reward_minus_pixel_spearman": variants["mv"]["reward_spearman"] - variants["mv"]["pixel_spearman"],
    }
    many, one, mv = variants["multi_frame"], variants["single_frame"], variants["mv"]
    for what in (*_SAME, "reward_spearman"):
        values[f"tcn.{what}"] = mv[what]
    for what in (
        "alignment",
        "alignment_unseen_camera",
        "attribute_error",
        "motion_error",
        "velocity_r2",
        "puck_velocity_r2",
    ):
        values[f"mftcn.{what}"], values[f"mftcn.single_frame.{what}"] = many[what], one[what]
    for what, error in (("motion", "motion_error"), ("static", "attribute_error")):
        values[f"mftcn.{what}_error_reduction"] = 1 - many[error] / one[error]
    return values


def unit(name: str) -> str:
    """Return the unit of a figure."""
    endings = {"over_mv": "ratio", "spearman": "rank correlation", "tau": "rank correlation", "r2": "R^2"}
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "fraction")


def _moved(state: np.ndarray) -> np.ndarray:
    """Return how far hand and puck moved over the look-back, (T, 4)."""
    before = History(2, LOOK_BACK).steps(np.arange(len(state)))[:, 0]
    places = state[:, [0, 1, 4, 5]]
    return places - places[before]


def _places(store: EpisodeStore, id: str) -> np.ndarray:
    return store.read(id).state[:, [0, 1, 4, 5]]


def _arrival(store: EpisodeStore, id: str) -> int:
    """Return the first step at which the puck is at the goal, or the last."""
    near = np.linalg.norm(store.read(id).state[:, 4:6] - GOAL_M, axis=1) < ARRIVED_M
    return int(near.argmax()) if near.any() else len(near) - 1


_MEASURING = settings_hash(measured, attributes, tau, rewards, _moved, _arrival)
"""Names what is measured: kept values are of this."""
