"""RIG on pushing: what its VAE knows of the puck, and how far from goal pictures its policies leave it; beside the
oracle that is rewarded for the same thing, doing nothing, and other shares of relabelled goals.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.evaluate import evaluate
from agents.train import train_agent
from envs.collect import collect
from envs.collect_config import CollectConfig
from scripts.bench._control_config import ControlConfig
from scripts.bench._control_jobs import Job, Measured, Variant, over_seeds, run_jobs
from scripts.bench._intervals import Figure, iqm
from sslctrl.embeddings.base import Embedding
from sslctrl.metrics.probe import probe_r2
from sslctrl.store import EpisodeStore
from vision.build import load_embedding

CAMERA, HAND, PUCK = "front", [0, 1], [4, 5]
VARIANTS = {
    "vae": Variant("vae", {"camera": CAMERA, "dim": 2, "beta": 2.0, "body": (0, 1), "smooth": 100.0}, 3000, lr=3e-3),
    "plain": Variant("vae", {"camera": CAMERA, "dim": 6, "beta": 0.3}, 1500, lr=3e-3),
    "autoencoder": Variant("autoencoder", {"camera": CAMERA, "dim": 6}, 1500, lr=3e-3),
}
"""The decoder of `vae` is told where the hand is: distances in its latents are the puck's. The others hold both."""
_IMAGINED: dict[str, Any] = {"goal_from": "imagined"}
POLICIES: dict[str, dict[str, Any]] = {
    "rig": {**_IMAGINED, "relabel_prior": 0.5, "relabel_future": 0.3},
    "oracle": {"reward_from": "state", "observe": "state"},
    "none": {**_IMAGINED, "relabel_prior": 0.0, "relabel_future": 0.0},
    "future": {**_IMAGINED, "relabel_prior": 0.0, "relabel_future": 0.8},
    "prior": {**_IMAGINED, "relabel_prior": 0.8, "relabel_future": 0.0},
}
STEPS, STARTS = 40_000, 100
"""Of the policy, beside the 20,000 that the video to learn the embedding from holds, which all replay, too."""
FEW = 10


def figures(config: ControlConfig) -> Iterator[tuple[dict[str, Figure], str]]:
    """Yield the figures over the seeds that are done, after each, and the commits that they were measured at."""
    root = Path(config.runs) / ("rig-fast" if config.fast else "rig")
    learned, acted = [], []
    for seed in config.seeds:
        folder = root / f"seed-{seed}"
        record(folder / "video", seed, config)
        for name, variant in VARIANTS.items():
            run = folder / variant.folder(name)
            learned.append(Job(run, seed, name, train_and_measure, (seed, name, folder / "video", config.fast)))
        for name in POLICIES:
            run = folder / f"policy-{name}"
            acted.append(Job(run, seed, name, train_and_play, (seed, name, folder / "video", config.fast)))
    for jobs, summarise in ((learned, known), (acted, reached)):
        for done in run_jobs(jobs, config.workers):
            yield over_seeds([summarise(one) for one in done.seeds], unit, iqm), done.commits


def record(folder: Path, seed: int, config: ControlConfig) -> None:
    """Record random motion from random scenes, to learn from and to measure on."""
    few = FEW if config.fast else 1
    common: dict[str, Any] = {"behaviors": ("random",), "variety": "fixed", "cameras": (CAMERA,)}
    for name, episodes, steps, first in (("train", 1000, 20, 0), ("heldout", 200, 50, 10_000)):
        out = folder / name
        collect(
            CollectConfig(
                out, episodes=episodes // few, steps=steps, seed=first + seed, workers=config.workers, **common
            )
        )


def trained(run: Path, seed: int, name: str, video: Path, fast: bool) -> Path:
    """Train an embedding, where it is not trained yet, and return its checkpoint."""
    return VARIANTS[name].train(run, video / "train", seed, FEW if fast else 1)


def train_and_measure(run: Path, seed: int, name: str, video: Path, fast: bool) -> Measured:
    """Train an embedding in its folder and return what it knows of held-out video."""
    torch.set_num_threads(1)
    embedding = load_embedding(trained(run, seed, name, video, fast))
    assert isinstance(embedding, Embedding)
    store = EpisodeStore(video / "heldout")
    episodes = [store.read(id) for id in store.ids]
    z = np.concatenate([embedding.embed_video(episode.frames[0]) for episode in episodes])
    state = np.concatenate([episode.state for episode in episodes])
    number = np.repeat(np.arange(len(episodes)), store.lengths)
    rng = np.random.default_rng([seed, 6])
    first, second = rng.integers(len(z), size=(2, 20_000))
    apart = np.linalg.norm(z[first] - z[second], axis=1)

    def ranked(columns: list[int]) -> float:
        truly = np.linalg.norm(state[first][:, columns] - state[second][:, columns], axis=1)
        return float(np.asarray(spearmanr(apart, truly))[0])

    return {
        "r2": float(probe_r2(z, state[:, PUCK], number, "mlp").mean()),
        "r2_linear": float(probe_r2(z, state[:, PUCK], number).mean()),
        "hand_r2": float(probe_r2(z, state[:, HAND], number, "mlp").mean()),
        "spearman_puck": ranked(PUCK),
        "spearman_both": ranked([*HAND, *PUCK]),
    }


def train_and_play(run: Path, seed: int, name: str, video: Path, fast: bool) -> Measured:
    """Train a policy in its folder and return how far from the goal it leaves the puck, and doing nothing does, m."""
    torch.set_num_threads(1)
    embedding = trained(run.parent / VARIANTS["vae"].folder("vae"), seed, "vae", video, fast)
    agent = TrainAgentConfig(
        run, steps=STEPS // (FEW if fast else 1), seed=seed, camera=CAMERA, prior=video / "train", her=True,
        batch_size=128, net=(64, 64),
        eval_every=0 if fast else 5000, embedding=None if name == "oracle" else embedding, **POLICIES[name],
    )  # fmt: skip
    train_agent(agent)
    starts = STARTS // (FEW if fast else 1)
    exam = EvaluateConfig(run / "exam", run, ("agent", "do_nothing"), episodes=starts)
    found = evaluate(exam)["policies"]
    return {f"{who}_m": found[who]["distance_m"]["value"] for who in found}


def known(variants: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the embeddings."""
    values = {f"rig.{name}.{what}": value for name, found in variants.items() for what, value in found.items()}
    return {
        **values,
        "rig.vae_r2": variants["vae"]["r2"],
        "rig.vae_r2_linear": variants["vae"]["r2_linear"],
        "rig.latent_spearman": variants["vae"]["spearman_puck"],
    }


def reached(policies: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the policies."""
    final = {name: found["agent_m"] for name, found in policies.items()}
    nothing = policies["rig"]["do_nothing_m"]
    return {
        **{f"rig.push_final_m.{name}": value for name, value in final.items()},
        "rig.push_final_m.do_nothing": nothing,
        "rig.push_over_do_nothing": final["rig"] / nothing,
        "rig.oracle_over_do_nothing": final["oracle"] / nothing,
        "rig.push_over_oracle": final["rig"] / final["oracle"],
        "rig.none_minus_mix_m": final["none"] - final["rig"],
    }


def unit(name: str) -> str:
    """Return the unit of a figure."""
    units = {"r2": "R^2", "r2_linear": "R^2", "spearman": "rank correlation", "_over_": "ratio"}
    return next((unit for part, unit in units.items() if part in name), "m")
