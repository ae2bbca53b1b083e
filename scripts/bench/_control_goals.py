"""Policies that learn towards imagined goals: in one world, from one video, with several embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import torch

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.evaluate import evaluate
from agents.online import learn_online, shortest_round
from agents.online_config import OnlineConfig
from agents.senses import Senses
from agents.train import train_agent
from envs.collect import collect
from envs.collect_config import CollectConfig
from envs.tasks.base import Variety
from scripts.bench._control_config import ControlConfig
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure, iqm
from scripts.bench._jobs import MOVED_BY, Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.fit_config import FitConfig
from sslctrl.goal_prior import GoalPrior
from sslctrl.metrics.distances import compared
from sslctrl.metrics.probe import probe_r2
from sslctrl.store import EpisodeStore
from vision.build import load_embedding

CAMERA, STARTS, FIRST_START = "front", 100, 4_000_000
"""What policies see through, and which starts they are measured on: no setting was chosen by these."""
IMAGINED: dict[str, Any] = {"goal_from": "imagined"}
RIG: dict[str, Any] = {**IMAGINED, "relabel_prior": 0.5, "relabel_future": 0.3}
SHOWN: dict[str, Any] = {"goal_from": "shown"}
BASELINES = ("random", "do_nothing")
"""Beside the policies in every exam."""
_SAC: dict[str, Any] = {"her": True, "batch_size": 128, "net": (256, 256)}
"""Of all policies. Nets of 64 are enough for true positions, and not for latents; batches of 256 take policies no
further, in 1.4 times the time.
"""


class Learner(NamedTuple):
    """A policy: whose embedding it sees, if any, and what differs from the others' options."""

    embedding: str | None
    options: dict[str, Any]
    steps_factor: int = 1
    """How many times the world's steps it takes."""
    rounds: int = 1
    """Of policy and embedding in turns: the embedding learns on from what the policy saw (`agents/online.py`)."""


BESIDE = {
    "autoencoder": Learner("autoencoder", RIG),
    "untrained": Learner("untrained", SHOWN),
    "supervised": Learner("supervised", SHOWN),
}
"""In every world, on embeddings of these names; the last two cannot imagine goals."""


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

    def videos(self, folder: Path, seed: int, config: ControlConfig) -> tuple[CollectConfig, CollectConfig]:
        """Return the recordings: what all learn from, and what embeddings are measured on."""
        common: dict[str, Any] = {
            "env_id": self.env_id, "behaviors": (self.behavior,), "cameras": (CAMERA,), "workers": config.workers
        }  # fmt: skip
        learned, asked = config.tier.learned(self.episodes), config.tier.asked(200)
        return (
            CollectConfig(
                folder / "train", episodes=learned, steps=self.length, variety=self.variety, seed=seed, **common
            ),
            CollectConfig(
                folder / "heldout", episodes=asked, steps=50, variety=self.exams[-1], seed=10_000 + seed, **common
            ),
        )


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
    for seed in config.seeds:
        for one in world.videos(_folder(world, part, seed, config) / "video", seed, config):
            collect(one)
    for jobs, summarise in zip(jobs_of(world, part, config), (known, reached), strict=True):
        for done in run_jobs(jobs, config):
            yield over_seeds([summarise(one) for one in done.seeds], unit, iqm), done.origin


def jobs_of(world: World, part: str, config: ControlConfig) -> tuple[list[Job], list[Job]]:
    """Return the trainings of embeddings, and those of policies, each in the order of their seeds."""
    learned: list[Job] = []
    acted: list[Job] = []
    measuring = settings_hash(train_and_measure, world.places, world.more)
    embeddings = {name: variant.folder(name) for name, variant in world.embeddings.items()}
    policies = {}
    for name, learner in world.learners.items():
        embedding = Path(embeddings[learner.embedding]) if learner.embedding else None
        agent = agent_of(Path(), embedding, learner, 0, world, Path(), config.tier)
        sees = _seen_by(world, learner) if agent.observe == "embedding" else ()
        pursues = (GoalPrior.fit_to, GoalPrior.fit, GoalPrior.sample) if agent.goal_from == "imagined" else ()
        exam = world.exams, STARTS, FIRST_START, BASELINES
        made_from = agent, learner.rounds, *exam, train_and_play, *sees, *pursues
        policies[name] = f"policy-{name}-{settings_hash(*made_from)}"
    for seed in config.seeds:
        folder = _folder(world, part, seed, config)
        of_seed: dict[str | None, Job] = {
            name: Job(folder / run / measuring, seed, name, train_and_measure, (name, seed, world, config.tier))
            for name, run in embeddings.items()
        }
        learned += of_seed.values()
        for name, learner in world.learners.items():
            below = folder / embeddings[learner.embedding] if learner.embedding else None
            given = learner, below, seed, world, config.tier
            acted.append(
                Job(folder / policies[name], seed, name, train_and_play, given, of_seed.get(learner.embedding))
            )
    return learned, acted


def _seen_by(world: World, learner: Learner) -> tuple[FunctionType, ...]:
    """Return what makes a policy's observations of an embedding."""
    assert learner.embedding is not None
    own = EMBEDDINGS.get(world.embeddings[learner.embedding].name).observe
    return (Senses.observation,) if own is Embedding.observe else (Senses.observation, own)


def _folder(world: World, part: str, seed: int, config: ControlConfig) -> Path:
    """Return where a seed's video is and what is learned from it: another for other recordings."""
    recordings = [repr((one.recording, one.episodes)) for one in world.videos(Path(), 0, config)]
    return Path(config.runs) / config.tier.folder(part) / f"seed-{seed}-{settings_hash(*recordings, *MOVED_BY)}"


def train_and_measure(run: Path, name: str, seed: int, world: World, tier: Tier) -> Measured:
    """Train an embedding in the folder above and return what it knows of held-out video.

    Of every place: R^2 by an MLP and by a linear probe, and how distances between embeddings rank true distances.
    """
    torch.set_num_threads(1)
    video = run.parent.parent / "video"
    embedding = load_embedding(world.embeddings[name].train(run.parent, video / "train", seed, tier))
    store = EpisodeStore(video / "heldout")
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


def train_and_play(
    run: Path, learner: Learner, embedding: Path | None, seed: int, world: World, tier: Tier
) -> Measured:
    """Train a policy in its folder, on the embedding in another or in turns with it, and return how far from the goal
    it ends, m, in each exam's variety; random actions and doing nothing, too.
    """
    torch.set_num_threads(1)
    video = run.parent / "video" / "train"
    if embedding is not None and learner.embedding is not None:
        embedding = world.embeddings[learner.embedding].train(embedding, video, seed, tier)
    agent = agent_of(run, embedding, learner, seed, world, video, tier)
    if learner.rounds > 1:
        rounds = min(learner.rounds, max(1, agent.steps // shortest_round(agent)))  # a quick look's are fewer
        policy = learn_online(OnlineConfig(agent, rounds, FitConfig(tier.learned(500), seed=seed)))
    else:
        policy = train_agent(agent)
    values = {}
    for variety in world.exams:
        exam = EvaluateConfig(
            run / f"exam-{variety}", policy, ("agent", *BASELINES), world.env_id, variety,
            episodes=tier.asked(STARTS), seed=FIRST_START,
        )  # fmt: skip
        found = evaluate(exam)["policies"]
        values |= {f"{who}_{variety}_m": found[who]["distance_m"]["value"] for who in found}
    return values


def agent_of(
    run: Path, embedding: Path | None, learner: Learner, seed: int, world: World, video: Path, tier: Tier
) -> TrainAgentConfig:
    """Return how a policy is trained."""
    return TrainAgentConfig(
        run, env_id=world.env_id, variety=world.variety, seed=seed, embedding=embedding,
        steps=tier.learned(world.steps * learner.steps_factor), camera=CAMERA, prior=video, eval_every=2500,
        **_SAC, **learner.options,
    )  # fmt: skip


def unit(name: str) -> str:
    """Return the unit of a figure."""
    units = {"r2": "R^2", "spearman": "rank correlation", "_over_": "ratio", "match": "fraction"}
    return next((unit for part, unit in units.items() if part in name), "m")
