"""Policies that learn towards imagined goals: in one world, from one random video, with several embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.evaluate import evaluate
from agents.train import train_agent
from envs.collect import collect
from envs.collect_config import CollectConfig
from envs.tasks.base import Variety
from scripts.bench._control_config import ControlConfig
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure, iqm
from scripts.bench._jobs import Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from sslctrl.embeddings.base import Embedding
from sslctrl.metrics.distances import compared
from sslctrl.metrics.probe import probe_r2
from sslctrl.store import EpisodeStore
from vision.build import load_embedding

CAMERA, STARTS = "front", 100
IMAGINED: dict[str, Any] = {"goal_from": "imagined"}
RIG: dict[str, Any] = {**IMAGINED, "relabel_prior": 0.5, "relabel_future": 0.3}
SHOWN: dict[str, Any] = {"goal_from": "shown"}
BASELINES = ("random", "do_nothing")
"""Beside the policies in every exam."""
_SAC: dict[str, Any] = {"her": True, "batch_size": 256, "net": (256, 256)}
"""Of all policies. Nets of 64 and batches of 128 are enough for true positions, and not for latents."""


class Learner(NamedTuple):
    """A policy: whose embedding it sees, if any, and what differs from the others' options."""

    embedding: str | None
    options: dict[str, Any]
    steps_factor: int = 1
    """How many times the world's steps it takes."""


@dataclass(frozen=True)
class World:
    """Where policies act, and what is learned there from video, which all policies replay, too."""

    env_id: str
    embeddings: dict[str, Variant]
    learners: dict[str, Learner]
    steps: int
    """Of each policy."""
    places: Mapping[str, tuple[int, ...]]
    """Columns of the true state that embeddings are asked for; the first is what goals are about."""
    variety: Variety = "fixed"
    exams: tuple[Variety, ...] = ("fixed",)
    """Colours and shapes that policies are measured on; the last's is the held-out video, too."""
    behavior: str = "random"
    """What the video shows; its episodes begin anywhere."""
    episodes: int = 1000
    length: int = 20
    more: Callable[[Embedding, EpisodeStore, int], Measured] | None = None
    """More to measure of each embedding on held-out video, by seed."""

    def folder(self, embedding: str) -> str:
        """Return the name of an embedding's runs' folder."""
        video = self.env_id, self.variety, self.behavior, self.episodes, self.length
        return self.embeddings[embedding].folder(embedding, video)


def figures(
    world: World,
    part: str,
    config: ControlConfig,
    known: Callable[[dict[str, Measured]], Measured],
    reached: Callable[[dict[str, Measured]], Measured],
) -> Iterator[tuple[dict[str, Figure], Origin]]:
    """Yield the figures over the seeds that are done, after each, and where they are from.

    First those of embeddings, then those of policies; known, reached: one seed's figures from what was measured.
    """
    learned: list[Job] = []
    acted: list[Job] = []
    measuring = settings_hash(train_and_measure, world.places, world.more)
    embeddings = {name: world.folder(name) for name in world.embeddings}
    policies = {name: _policy_folder(name, learner, world) for name, learner in world.learners.items()}
    for seed in config.seeds:
        folder = Path(config.runs) / config.tier.folder(part) / f"seed-{seed}"
        _record(folder / "video", world, seed, config)
        given = (world, folder, config.tier)
        of_seed: dict[str | None, Job] = {
            name: Job(folder / run / measuring, seed, name, train_and_measure, (name, seed, *given))
            for name, run in embeddings.items()
        }
        learned += of_seed.values()
        for name, learner in world.learners.items():
            needs = of_seed.get(learner.embedding)
            acted.append(Job(folder / policies[name], seed, name, train_and_play, (learner, seed, *given), needs))
    for jobs, summarise in ((learned, known), (acted, reached)):
        for done in run_jobs(jobs, config):
            yield over_seeds([summarise(one) for one in done.seeds], unit, iqm), done.origin


def train_and_measure(run: Path, name: str, seed: int, world: World, folder: Path, tier: Tier) -> Measured:
    """Train an embedding in the folder above and return what it knows of held-out video.

    Of every place: R^2 by an MLP and by a linear probe, and how distances between embeddings rank true distances.
    """
    torch.set_num_threads(1)
    embedding = load_embedding(_trained(world, name, seed, folder, tier))
    assert isinstance(embedding, Embedding)
    store = EpisodeStore(folder / "video" / "heldout")
    episodes = [store.read(id) for id in store.ids]
    z = np.concatenate([embedding.embed_video(episode.frames[0]) for episode in episodes])
    state = np.concatenate([episode.state for episode in episodes])
    number = np.repeat(np.arange(len(episodes)), store.lengths)
    values = world.more(embedding, store, seed) if world.more else {}
    for place, columns in world.places.items():
        at = state[:, columns]
        ranked = compared(z, at, 20_000, np.random.default_rng([seed, 6])).rank_correlation
        values |= {
            f"{place}_r2": float(probe_r2(z, at, number, "mlp").mean()),
            f"{place}_r2_linear": float(probe_r2(z, at, number).mean()),
            f"{place}_spearman": ranked,
        }
    return values


def train_and_play(run: Path, learner: Learner, seed: int, world: World, folder: Path, tier: Tier) -> Measured:
    """Train a policy in its folder and return how far from the goal it ends, m, in each exam's variety; random actions
    and doing nothing, too.
    """
    torch.set_num_threads(1)
    embedding = None if learner.embedding is None else _trained(world, learner.embedding, seed, folder, tier)
    agent = TrainAgentConfig(
        run, env_id=world.env_id, variety=world.variety, seed=seed, embedding=embedding,
        steps=tier.learned(world.steps * learner.steps_factor), camera=CAMERA, prior=folder / "video" / "train",
        eval_every=2500, **_SAC, **learner.options,
    )  # fmt: skip
    train_agent(agent)
    values = {}
    for variety in world.exams:
        exam = EvaluateConfig(
            run / f"exam-{variety}", run, ("agent", *BASELINES), world.env_id, variety, episodes=tier.asked(STARTS)
        )
        found = evaluate(exam)["policies"]
        values |= {f"{who}_{variety}_m": found[who]["distance_m"]["value"] for who in found}
    return values


def _trained(world: World, name: str, seed: int, folder: Path, tier: Tier) -> Path:
    return world.embeddings[name].train(folder / world.folder(name), folder / "video" / "train", seed, tier)


def _record(folder: Path, world: World, seed: int, config: ControlConfig) -> None:
    common: dict[str, Any] = {
        "env_id": world.env_id, "behaviors": (world.behavior,), "cameras": (CAMERA,), "workers": config.workers
    }  # fmt: skip
    collect(
        CollectConfig(
            folder / "train",
            episodes=config.tier.learned(world.episodes),
            steps=world.length,
            seed=seed,
            variety=world.variety,
            **common,
        )
    )
    collect(
        CollectConfig(
            folder / "heldout",
            episodes=config.tier.asked(200),
            steps=50,
            seed=10_000 + seed,
            variety=world.exams[-1],
            **common,
        )
    )


def _policy_folder(name: str, learner: Learner, world: World) -> str:
    """Return the name of a policy's folder: another for another embedding, other options, another length or exam."""
    embedding = world.folder(learner.embedding) if learner.embedding else None
    settings = learner, embedding, world.env_id, world.variety, world.steps, world.exams, _SAC, train_and_play
    return f"policy-{name}-{settings_hash(*settings)}"


def unit(name: str) -> str:
    """Return the unit of a figure."""
    units = {"r2": "R^2", "spearman": "rank correlation", "_over_": "ratio", "match": "fraction"}
    return next((unit for part, unit in units.items() if part in name), "m")
