"""Grasp2Vec on held-out grasps of seen and of unseen objects: retrieval, localisation, success, instance grasping;
beside an untrained net, an autoencoder, raw pixels, a colour histogram, true labels and grasping whatever comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from sklearn.metrics import roc_auc_score

import agents.grasping.aims
import agents.grasping.exam
import envs.grasps
import envs.tasks.grasp
from agents.grasping import labels, value
from agents.grasping.aims import by_heat_map, by_value
from agents.grasping.config import Labelling
from agents.grasping.exam import Asking, outcomes, share_grasped
from agents.grasping.value import SEES_33_PX, build_value
from envs.grasps import Aim, collect_grasps, masks
from envs.grasps_config import GraspsConfig
from scripts.bench._control_config import ControlConfig
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure
from scripts.bench._jobs import Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from sslctrl.clips import AFTER, BEFORE, OUTCOME
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.fit import FitConfig, fit
from sslctrl.metrics.retrieval import localised, retrieval_top1
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore
from vision.build import load_embedding

VARIETY: dict[str, Literal["train", "heldout"]] = {"seen": "train", "unseen": "heldout"}
VARIANTS = {
    "grasp2vec": Variant("grasp2vec", {}, 4000, SEES_33_PX),
    "untrained": Variant("grasp2vec", {}, 0, SEES_33_PX),
    "autoencoder": Variant("autoencoder", {"dim": 128}, 4000, SEES_33_PX),
}
VALUE_STEPS = 600
LABELLINGS: dict[str, tuple[str, Labelling]] = {
    "oracle": ("grasp2vec", "oracle"),
    "pl": ("grasp2vec", "pl"),
    "es": ("grasp2vec", "pl_es"),
    "aux_es": ("grasp2vec", "pl_aux_es"),
    "autoencoder_es": ("autoencoder", "pl_es"),
}
"""Values learned from the same grasps: whose embeddings are goals and similarities, and how they are labelled."""
Pairs = tuple[np.ndarray, np.ndarray]
"""Of grasps (N, ...): what their scenes lost, and what came out."""
STARTS = 100
_RECORDED = {"train": (10_000, 0), "seen": (800, 10_000), "unseen": (800, 20_000)}
"""How many grasps, and their seed; all seeds of the bench share them."""
_WORLD = envs.grasps, envs.tasks.grasp
"""What a grasp does. Other code makes other recordings and other exams."""


def figures(config: ControlConfig) -> Iterator[tuple[dict[str, Figure], Origin]]:
    """Yield the figures over the seeds that are done, after each, and where they are from."""
    root = Path(config.runs) / config.tier.folder("g2v")
    grasps = {name: _grasps(root, name, config) for name in _RECORDED}
    for one in grasps.values():
        collect_grasps(one)
    learned: list[Job] = []
    tried: list[Job] = []
    exam = STARTS, agents.grasping.aims, agents.grasping.exam
    told = _told, _retrieval, _within, *_WORLD
    measuring = settings_hash(train_and_measure, _at_any_angle, _measured, *told, *exam)
    pictures = f"pictures-{settings_hash(measure_pictures, _histogram, _RECORDED, *told)}"
    folders = {name: _folder(name) for name in VARIANTS}
    trying = {
        name: settings_hash(
            labelling, folders[labelling[0]], VALUE_STEPS, *exam, *_WORLD, value, labels, learn_and_grasp
        )
        for name, labelling in LABELLINGS.items()
    }
    for seed in config.seeds:
        folder = root / f"seed-{seed}"
        given = seed, grasps, config.tier
        of_seed = {
            name: Job(folder / run / measuring, seed, name, train_and_measure, (name, *given))
            for name, run in folders.items()
        }
        learned += of_seed.values()
        learned.append(Job(folder / pictures, seed, "pictures", measure_pictures, given))
        tried += [
            Job(folder / f"value-{name}-{made_from}", seed, name, learn_and_grasp, (name, *given), of_seed[labeller])
            for (name, made_from), (labeller, _) in zip(trying.items(), LABELLINGS.values(), strict=True)
        ]
    for jobs, summarise in ((learned, known), (tried, grasped)):
        for done in run_jobs(jobs, config):
            yield over_seeds([summarise(one) for one in done.seeds], unit), done.origin


def train_and_measure(run: Path, name: str, seed: int, grasps: dict[str, GraspsConfig], tier: Tier) -> Measured:
    """Train an embedding in the folder above and return what it is worth."""
    torch.set_num_threads(1)
    embedding = _trained(run.parent, name, seed, grasps["train"].out, tier)
    values = {}
    for which in VARIETY:
        rng, starts = np.random.default_rng([seed, 4]), tier.asked(STARTS)
        shown = _Shown(grasps[which])
        found = _measured(embedding, shown, rng)
        if isinstance(embedding, Grasp2Vec):
            aim, pictures = partial(by_heat_map, embedding), outcomes(shown.store)
            turned = partial(_at_any_angle, aim, rng)
            exam = partial(share_grasped, pictures=pictures, variety=VARIETY[which], starts=starts, rng=rng)
            found |= {
                "grasp": exam(aim),
                "grasp_at_any_angle": exam(turned),
                "composite_grasp": exam(aim, asked=2),
                "indiscriminate_grasp": exam(aim, shuffled=True),
            }
        values |= {f"{key}_{which}": value for key, value in found.items()}
    return values


def _at_any_angle(aim: Asking, rng: np.random.Generator, pictures: np.ndarray) -> Aim:
    """Aim at pictures as `aim` does, at an angle drawn at random: what knowing where is worth alone."""
    return lambda frame, present: (aim(pictures)(frame, present)[0], rng.uniform(-np.pi / 2, np.pi / 2))


def learn_and_grasp(run: Path, name: str, seed: int, grasps: dict[str, GraspsConfig], tier: Tier) -> Measured:
    """Learn a value from labels of one kind and return how often it grasps what is asked for."""
    torch.set_num_threads(1)
    labeller, labelling = LABELLINGS[name]
    embedding = _trained(run.parent / _folder(labeller), labeller, seed, grasps["train"].out, tier)
    steps = tier.learned(VALUE_STEPS)
    settings = FitConfig(steps, lr=2e-3, warmup=steps // 10, seed=seed)
    learned = build_value(embedding, labelling, seed=seed)
    fit(learned, EpisodeStore(grasps["train"].out), run, settings)
    rng, aim = np.random.default_rng([seed, 5]), partial(by_value, learned)
    return {
        f"policy_{name}_{which}": share_grasped(
            aim, outcomes(EpisodeStore(grasps[which].out)), VARIETY[which], tier.asked(STARTS), rng
        )
        for which in VARIETY
    }


class _Shown:
    """Recorded grasps, held out."""

    def __init__(self, config: GraspsConfig) -> None:
        self.config, self.store = config, EpisodeStore(config.out)
        episodes = [self.store.read(id) for id in self.store.ids]
        self.hwc = np.stack([episode.frames[0] for episode in episodes])
        self.frames = channels_first(self.hwc)
        self.success = np.array([bool(episode.meta["success"]) for episode in episodes])
        self.name = np.array([str(episode.meta["grasped"]) for episode in episodes])


def measure_pictures(run: Path, seed: int, grasps: dict[str, GraspsConfig], tier: Tier) -> Measured:
    """Return what raw pixels and histograms of colours know of the same grasps."""
    values: Measured = {}
    for which in VARIETY:
        rng, shown = np.random.default_rng([seed, 4]), _Shown(grasps[which])
        before, after, brought = shown.hwc.reshape(*shown.hwc.shape[:2], -1).astype(np.float32).swapaxes(0, 1)
        counts = [_histogram(shown.hwc[:, index]) for index in (BEFORE, AFTER, OUTCOME)]
        pairs = {"pixel": (before - after, brought), "histogram": (np.maximum(counts[0] - counts[1], 0), counts[2])}
        for name, pair in pairs.items():
            values |= {f"{name}_{key}_{which}": value for key, value in _told(pair, shown, rng).items()}
    return values


def _measured(embedding: Embedding, shown: _Shown, rng: np.random.Generator) -> Measured:
    see = embedding.embed_scene if isinstance(embedding, Grasp2Vec) else embedding.embed
    lost = see(shown.frames[:, BEFORE]) - see(shown.frames[:, AFTER])
    outcome, done = embedding.embed(shown.frames[:, OUTCOME]), np.flatnonzero(shown.success)
    values = _told((lost.numpy(), outcome.numpy()), shown, rng)
    if isinstance(embedding, Grasp2Vec):
        heat = embedding.heat_maps(shown.frames[done, BEFORE], outcome[done]).numpy()
        truth = np.stack([masks(shown.config, int(index))[shown.name[index]] for index in done])
        values["localisation"] = float(localised(heat, truth).mean())
    return values


def _told(pairs: Pairs, shown: _Shown, rng: np.random.Generator) -> Measured:
    """Return what pairs tell: which object it was, among all and among those of its colour, and whether it was any."""
    color, done = np.array([name.split("_")[0] for name in shown.name]), np.flatnonzero(shown.success)
    return {
        "retrieval": _retrieval(pairs, shown, done, rng),
        "retrieval_colour_matched": _within(color, pairs, shown, done, rng),
        "success_auroc": float(roc_auc_score(shown.success, np.linalg.norm(pairs[0], axis=1))),
    }


def _retrieval(pairs: Pairs, shown: _Shown, rows: np.ndarray, rng: np.random.Generator) -> float:
    """Return how often the outcome nearest to what a scene lost, of one outcome of each object of other grasps, is its
    object's.
    """
    (lost, outcome), asked, found = pairs, rows[::2], rows[1::2]
    asked = asked[np.isin(shown.name[asked], shown.name[found])]
    return retrieval_top1(lost[asked], shown.name[asked], outcome[found], shown.name[found], rng)


def _within(color: np.ndarray, pairs: Pairs, shown: _Shown, rows: np.ndarray, rng: np.random.Generator) -> float:
    """Return the mean of the retrieval among objects of one colour, by their numbers; colours of one object are left
    out: they have nothing to choose from.
    """
    groups = [rows[color[rows] == one] for one in np.unique(color[rows])]
    groups = [group for group in groups if len(np.unique(shown.name[group])) > 1]
    shares = [_retrieval(pairs, shown, group, rng) for group in groups]
    return float(np.average(shares, weights=[len(group) for group in groups]))


def _histogram(frames: np.ndarray) -> np.ndarray:
    """Return how much of each hue is in frames (N, H, W, 3): float (N, 32) of pixels that have a colour."""
    hsv = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2HSV) for frame in frames]).reshape(len(frames), -1, 3)
    colored = (hsv[..., 1] > 100) & (hsv[..., 2] > 40)
    hue = np.where(colored, hsv[..., 0].astype(int) * 32 // 180, 32)
    return np.stack([np.bincount(row, minlength=33)[:32] for row in hue]).astype(float)


def _grasps(root: Path, name: str, config: ControlConfig) -> GraspsConfig:
    """Return one of the recordings."""
    count, seed = _RECORDED[name]
    count = config.tier.asked(count) if name in VARIETY else config.tier.learned(count)
    variety = VARIETY.get(name, "train")
    folder = root / f"{name}-{settings_hash(*_WORLD)}"
    return GraspsConfig(folder, count, variety, seed=seed, workers=config.workers)


def _folder(name: str) -> str:
    """Return the name of an embedding's runs' folder."""
    return VARIANTS[name].folder(name, _RECORDED, *_WORLD)


def _trained(run: Path, name: str, seed: int, store: Path, tier: Tier) -> Embedding:
    """Train what is not trained, and return it."""
    embedding = load_embedding(VARIANTS[name].train(run, store, seed, tier))
    assert isinstance(embedding, Embedding)
    return embedding.eval()


def known(embeddings: dict[str, Measured]) -> Measured:
    """Return one seed's figures of what the embeddings know."""
    values = {
        f"g2v.{what}" if name in ("grasp2vec", "pictures") else f"g2v.{name}.{what}": value
        for name, found in embeddings.items() for what, value in found.items()
    }  # fmt: skip
    for which in VARIETY:
        learned, counted = (values[f"g2v.{kind}retrieval_colour_matched_{which}"] for kind in ("", "histogram_"))
        values[f"g2v.retrieval_colour_matched_minus_histogram_{which}"] = learned - counted
    for name in ("retrieval_colour_matched_minus_histogram", "success_auroc"):
        values[f"g2v.{name}"] = min(values[f"g2v.{name}_{which}"] for which in VARIETY)
    return values


def grasped(policies: dict[str, Measured]) -> Measured:
    """Return one seed's figures of what the learned values grasp."""
    values = {f"g2v.{what}": value for found in policies.values() for what, value in found.items()}
    oracle = max(values["g2v.policy_oracle_seen"], 1 / STARTS)
    return values | {"g2v.policy_es_over_oracle": values["g2v.policy_es_seen"] / oracle}


def unit(name: str) -> str:
    """Return the unit of a figure."""
    return "AUROC" if "auroc" in name else "ratio" if name.endswith("over_oracle") else "fraction"
