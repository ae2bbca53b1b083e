"""Every backbone under control: frozen below a TCN, whose distances are a policy's only reward: to the end of one
demonstration on Push, to pictures of goals on Reach.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from agents.config import EvaluateConfig, TrainAgentConfig
from agents.demo import CAMERAS, DEMONSTRATION_CAMERA, GOAL_M, POLICY_CAMERA, embedding_options, reward_figures
from agents.evaluate import evaluate
from agents.senses import Senses
from agents.train import train_agent
from envs.collect import collect
from envs.collect_config import CollectConfig
from scripts.bench import _image_parts, _image_probe, _video_parts
from scripts.bench._compare_config import DEEP, SUFFIX, CompareConfig
from scripts.bench._compare_page import write_page
from scripts.bench._figures import Origin, Results
from scripts.bench._image_config import TASKS as IMAGE_TASKS
from scripts.bench._image_parts import RANDOMIZE
from scripts.bench._image_probe import PLACES, pooled, positions, state_r2
from scripts.bench._intervals import Figure, iqm
from scripts.bench._jobs import MOVED_BY, Done, Job, Measured, Variant, over_seeds, run_jobs, settings_hash
from scripts.bench._tier import Tier
from scripts.bench._trials import Trial
from scripts.bench._video_config import TASKS as VIDEO_TASKS
from sslctrl import checkpoint
from sslctrl.fit import fit
from sslctrl.fit_config import FitConfig
from sslctrl.metrics.alignment import alignment_of
from sslctrl.metrics.probe import probe_r2
from sslctrl.objective import Objective
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision import untrained
from vision.build import ObjectiveSpec, build_objective, load_embedding, load_objective
from vision.untrained import settle

TCN_STEPS, STARTS, EXAMS = 1000, 50, 4
"""Batches of the TCN; starts of the last exam; exams while a policy learns."""
_OF_WORLDS = {"alignment": -1, "spearman": 1, "success": 1, "distance_m": -1, "efficiency": 1}
METRICS = {"probe_r2": 1, "reach_probe_r2": 1} | {
    f"{world}_{metric}": sign for world in ("push", "reach") for metric, sign in _OF_WORLDS.items()
}
"""Of every backbone; -1: less is better. `distance_m`: from where policies end to the goal; they may all end just
beside it. `efficiency`: the mean success over the evaluations while the policy learned.
"""
PRETEXT = (*IMAGE_TASKS, *VIDEO_TASKS)
LEARNED_FROM, BACKBONES, PROBE = "push", "backbones", "probe"
"""The world whose video backbones learn from, and that video and the probe's."""
GAIN, RANK = "push_success", "probe_r2"
"""The metric of `combining_gain`, `depth_gain` and `supervised_lead`; each is there for every other one, too, but that
by which the tasks to combine are chosen: the best of many noisy numbers would have to be beaten by fresh ones.
"""
TRIALS = _image_parts.TRIALS | _video_parts.TRIALS
LONGEST = max(kinds["sim"].steps for kinds in TRIALS.values())
"""Batches of the longest pretext task: as many have the baselines."""


@dataclass(frozen=True)
class World:
    """Where policies act, and what the TCN below them is built with."""

    env_id: str
    goal_m: tuple[float, ...]
    options: dict[str, Any]
    steps: int
    """Of its policies."""
    shown: bool = False
    """Every start shows a goal of its own, in place of the demonstration's end for all."""
    behavior: str = "play"
    """What its video shows."""


WORLDS = {
    "push": World("sslctrl/Push-v0", GOAL_M, embedding_options(), 6000),
    "reach": World(
        "sslctrl/Reach-v0", (0.50, -0.04, 0.10), {"views_per_batch": 3, "augment": False, "hue": 0.5}, 4000,
        shown=True, behavior="random",
    ),
}  # fmt: skip
"""Where there is nothing to push, play goes to and fro: most moments would be seen again, and none could be told apart
(alignment error of true positions .15; of random motion .02). And one goal for all starts would be one draw of how far
the nearest embedding is from it: of 27 backbones policies ended 1 to 10 cm from it, in an order that no other metric
has, the untrained net first.
"""


def measure(config: CompareConfig) -> dict[str, Figure]:
    """Run what is missing, write the figures and the page, and return the figures."""
    results = Results(config.file, config.command, config.seeds)
    root = Path(config.runs) / f"{config.tier.folder('all')}-{settings_hash(record, record_probe, *MOVED_BY)}"
    for seed in config.seeds:
        record(root / f"seed-{seed}" / "video", seed, config)
        record_probe(root / f"seed-{seed}" / "video", seed, config)
    names = list(config.chosen)
    learned, source = train_backbones(names, root, config)
    if not config.only:
        singles = [name for name in names if name in PRETEXT]
        ranked = sorted(singles, key=lambda name: -np.mean([seed[name][RANK] for seed in learned]))
        mixes = ["+".join(ranked[:count]) for count in (2, 3)]
        mixed, mixes_source = train_backbones(mixes, root, config)
        learned = [before | more for before, more in zip(learned, mixed, strict=True)]
        names, source = names + mixes, Origin.joined([source, mixes_source])
    controls = {
        world: Variant("tcn", about.options, TCN_STEPS).folder(world, about, *_CONTROL)
        for world, about in WORLDS.items()
    }
    probe = f"reach-probe-{settings_hash(probe_reach, _image_probe, probe_r2)}"
    jobs: list[Job] = []
    for seed, name in product(config.seeds, names):
        folder, learns = folder_of(name, root / f"seed-{seed}"), _learned(name, seed, root, config)
        jobs.append(Job(folder / probe, seed, f"{name} probe", probe_reach, (seed, root), learns))
        jobs += [
            Job(folder / run, seed, f"{name} {world}", control, (name, world, seed, root, config.tier), learns)
            for world, run in controls.items()
        ]
    for done in run_jobs(jobs, config):
        seeds = [joined(found, before) for found, before in zip(done.seeds, learned, strict=False)]
        answers = [{} for _ in seeds] if config.only else gains(seeds)
        found = over_seeds([flat(seed) | answer for seed, answer in zip(seeds, answers, strict=True)], unit, iqm)
        results.record(found, Origin.joined([source, done.origin]))
        if not config.only:
            results.drop_others(("",), found)  # mixes and deeper nets of before
        write_page(config.board, results.figures, METRICS)
    return results.figures


def folder_of(name: str, root: Path) -> Path:
    """Return a backbone's folder: another for another training or net, so that nothing kept stands in for it."""
    return root / f"{name}-{_made_from(name)}"


@cache
def _made_from(name: str) -> str:
    task, options = named(name)
    if task == "random":
        return settings_hash(spec_of(_random(options, 0)))
    return trial_of(task).made_from(task, options)


def _random(options: dict[str, Any], seed: int) -> Objective:
    return build_objective(ObjectiveSpec("rotation", backbone_options=options, seed=seed))


def record(folder: Path, seed: int, config: CompareConfig) -> None:
    """Record of each world video to learn from, held-out video, and one demonstration. Of pushing, for backbones, video
    whose light, colours and cameras change: which way a scene that never does is turned, and which part of it a patch
    is, would be learned by heart; and, for probes, many short episodes: the puck of each is somewhere else.
    """
    plays: list[tuple[str, int, int, dict[str, Any]]] = [
        ("train", config.tier.learned(80), 100, {"seed": seed}),
        ("heldout", config.tier.asked(20), 100, {"seed": 10_000 + seed}),
    ]
    of_backbones = [
        (BACKBONES, config.tier.learned(80), 100, {"seed": 40_000 + seed, "randomize": RANDOMIZE, "depth": True}),
        (PROBE, config.tier.asked(200), 20, {"seed": 30_000 + seed}),
    ]
    for name, world in WORLDS.items():
        common: dict[str, Any] = {"env_id": world.env_id, "cameras": CAMERAS, "workers": config.workers}
        for part, episodes, steps, options in plays + of_backbones * (name == LEARNED_FROM):
            options |= {"episodes": episodes, "steps": steps, "behaviors": (world.behavior,)}
            collect(CollectConfig(folder / name / part, **options, **common))
        collect(
            CollectConfig(
                folder / name / "demonstration", episodes=1, behaviors=("expert",), variety="fixed",
                goal=world.goal_m, seed=20_000 + seed, **common,
            )
        )  # fmt: skip


def train_backbones(names: Sequence[str], root: Path, config: CompareConfig) -> Done:
    """Train backbones, and return what is known from them, by seed and name, and where it is from."""
    *_, done = run_jobs([_learned(name, seed, root, config) for seed in config.seeds for name in names], config)
    return done


def _learned(name: str, seed: int, root: Path, config: CompareConfig) -> Job:
    """Return what trains a backbone."""
    run = folder_of(name, root / f"seed-{seed}") / f"probe-{settings_hash(*_LEARN)}"
    return Job(run, seed, name, learn, (name, seed, root, config.tier))


def learn(run: Path, name: str, seed: int, root: Path, tier: Tier) -> Measured:
    """Train one backbone, where that is to be, settle it on the video that it is for, and return how well hand and puck
    can be read from it.
    """
    torch.set_num_threads(1)
    video, minutes = root / f"seed-{seed}" / "video" / LEARNED_FROM, 0.0
    task, options = named(name)
    if task == "random":
        objective = _random(options, seed)
    else:
        learned_from, backbone = EpisodeStore(video / BACKBONES), run.parent / "backbone"
        objective, minutes = trial_of(task).learned(task, learned_from, backbone, seed, tier, options)
    settle(objective.backbone, EpisodeStore(video / "train"), seed)
    checkpoint.save(run / "checkpoints" / "step-00000000", KIND, spec_of(objective), objective.state_dict(), {})
    backbone = objective.backbone

    def features(images: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(backbone(images), 4).flatten(1)

    return {**positions(features, EpisodeStore(video / PROBE)), "minutes": minutes}


def record_probe(folder: Path, seed: int, config: CompareConfig) -> None:
    """Record many short episodes of Reach: what the hand's place is read from."""
    episodes, about = config.tier.asked(200), WORLDS["reach"]
    collect(
        CollectConfig(
            folder / "reach" / PROBE, about.env_id, episodes, 20, (about.behavior,), seed=30_000 + seed,
            cameras=CAMERAS, workers=config.workers,
        )
    )  # fmt: skip


def probe_reach(run: Path, seed: int, root: Path) -> Measured:
    """Return how well the hand's place in Reach can be read from a backbone that learned from Push."""
    torch.set_num_threads(1)
    backbone = load_objective(run.parent / f"probe-{settings_hash(*_LEARN)}")
    video = EpisodeStore(root / f"seed-{seed}" / "video" / "reach" / PROBE)
    return {"reach_probe_r2": state_r2(pooled(backbone), video, (0, 1, 2))}


def control(run: Path, name: str, world: str, seed: int, root: Path, tier: Tier) -> Measured:
    """Train a TCN on the frozen backbone and a policy on its distances, and return what both are worth."""
    torch.set_num_threads(1)
    about, video = WORLDS[world], root / f"seed-{seed}" / "video" / world
    backbone = run.parent / f"probe-{settings_hash(*_LEARN)}"
    spec = ObjectiveSpec("tcn", about.options, str(backbone), frozen=True, seed=seed)
    settings = FitConfig(tier.learned(TCN_STEPS), lr=2e-3, seed=seed, device="auto", warmup=tier.learned(100))
    path = fit(build_objective(spec), EpisodeStore(video / "train"), run / "tcn", settings)
    embedding = load_embedding(path)
    goal: dict[str, Any] = {"demonstration": video / "demonstration", "demo_camera": DEMONSTRATION_CAMERA}
    if about.shown:
        goal = {"goal_from": "shown", "her": True}
    agent = TrainAgentConfig(
        run / "policy", about.env_id, steps=tier.learned(about.steps), seed=seed, camera=POLICY_CAMERA,
        embedding=path, prior=video / "train", eval_every=tier.learned(about.steps // EXAMS), **goal,
    )  # fmt: skip
    train_agent(agent)
    exam = EvaluateConfig(run / "exam", run / "policy", ("agent",), about.env_id, episodes=tier.asked(STARTS))
    found = evaluate(exam)["policies"]["agent"]
    curve = [json.loads(line)["success"] for line in (run / "policy" / "curve.jsonl").read_text().splitlines()]
    return {
        f"{world}_alignment": float(alignment_of(embedding, EpisodeStore(video / "heldout"), CAMERAS).mean()),
        f"{world}_spearman": float(reward_figures(embedding, video)["reward_spearman"]["value"]),
        f"{world}_success": float(found["success"]["value"]),
        f"{world}_distance_m": float(found["distance_m"]["value"]),
        f"{world}_efficiency": float(np.mean(curve)),
    }


_LEARN = learn, untrained, _image_probe, probe_r2
_CONTROL = (
    *_LEARN, control, TrainAgentConfig.__init__.__defaults__, EXAMS, STARTS, Senses.observation,
)  # fmt: skip
"""What makes and measures a backbone, and what is made of it."""


def named(name: str) -> tuple[str, dict[str, Any]]:
    """Return a backbone's task, and the options of its architecture."""
    return (name.removesuffix(SUFFIX), DEEP) if name.endswith(SUFFIX) else (name, {})


def trial_of(task: str) -> Trial:
    """Return how a task is trained: as on simulated video in its own bench. Of several, which share each step, as many
    batches in all as the longest of them has.
    """
    if "+" in task:
        parts = [trial_of(one) for one in task.split("+")]
        steps = round(max(part.steps for part in parts) / len(parts))
        options = {
            f"{name}.{key}": value
            for name, part in zip(task.split("+"), parts, strict=True)
            for key, value in part.options.items()
        }
        return Trial(parts[0].score, steps, options=options, lr=float(np.mean([part.lr for part in parts])))
    if task in ("supervised", "autoencoder"):
        options = {"columns": PLACES} if task == "supervised" else {}
        return Trial(_image_parts.scores.nothing, LONGEST, options=options)
    return TRIALS[task]["sim"]


def joined(found: Mapping[str, Measured], before: Mapping[str, Measured]) -> dict[str, Measured]:
    """Return what is measured of each backbone, of one seed: what its probe and its worlds told."""
    values = {name: dict(one) for name, one in before.items()}
    for key, one in found.items():
        values[key.split(" ")[0]] |= one
    return values


def flat(seed: Mapping[str, Measured]) -> Measured:
    """Return figures by name: `<backbone>.<metric>`."""
    return {f"{name}.{metric}": value for name, one in seed.items() for metric, value in one.items()}


def gains(seeds: Sequence[Mapping[str, Measured]]) -> list[Measured]:
    """Return, by seed and for each metric, what combining tasks, deeper nets and labels are worth; above 0: better.

    combining_gain: the mean of the best pair and triple over the best of their parts. depth_gain: the mean of the
    deeper backbones over the same ones as they are. supervised_lead: over the best pretext task. Which is the best, the
    other seeds say: the best of many noisy numbers on its own seed would be too good.
    """
    values: list[Measured] = [{} for _ in seeds]
    names = list(seeds[0])
    mixes = [name for name in names if "+" in name]
    deep = [name for name in names if name.endswith(SUFFIX) and named(name)[0] in names]
    tasks = [name for name in names if name in PRETEXT]
    for metric, sign in METRICS.items():
        of = {name: sign * np.array([seed[name][metric] for seed in seeds]) for name in names}
        for number, found in enumerate(values):
            own: Measured = {}
            if mixes and metric != RANK:
                gain = [of[mix][number] - of[_best(mix.split("+"), of, number)][number] for mix in mixes]
                own["combining_gain"] = float(np.mean(gain))
            if deep:
                own["depth_gain"] = float(np.mean([of[name][number] - of[named(name)[0]][number] for name in deep]))
            if tasks and "supervised" in names:
                own["supervised_lead"] = float(of["supervised"][number] - of[_best(tasks, of, number)][number])
            found |= {f"{name}.{metric}": value for name, value in own.items()}
            if metric == GAIN:
                found |= own
    return values


def _best(names: Sequence[str], of: Mapping[str, np.ndarray], seed: int) -> str:
    """Return the best by the mean of all seeds but one, or, where there is one alone, by that."""
    return max(names, key=lambda name: np.delete(of[name], seed).mean() if len(of[name]) > 1 else of[name][0])


def unit(name: str) -> str:
    """Return the unit of a figure."""
    endings = {"r2": "R^2", "spearman": "rank correlation", "distance_m": "m", "minutes": "min"}
    return next((unit for ending, unit in endings.items() if name.endswith(ending)), "fraction")
