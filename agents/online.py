"""Learning from what the policy sees (RIG, arXiv 1807.04742, algorithm 1): policy and embedding take turns."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agents.checkpoint import sha256_of
from agents.config import FREE, TrainAgentConfig
from agents.online_config import OnlineConfig
from agents.train import train_agent
from agents.worlds import horizon_of
from sslctrl import checkpoint, durable, fit_config
from sslctrl.errors import InputError
from sslctrl.fit import computes_on, fit
from sslctrl.rng import numpy_rng, seed_of
from sslctrl.run import RunDir, write_atomically
from sslctrl.store import EpisodeStore
from vision.build import load_embedding


def learn_online(config: OnlineConfig) -> Path:
    """Train in rounds, and return the last checkpoint of the policy, `<run>/agent/checkpoints/step-...`.

    Every round goes on with the policy of the last one, and every round but the first begins with further training of
    the embedding on all video so far: that to begin with, and what the policy saw. The replay buffer is filled anew
    from that video: all that is stored, and the pictures of goals that were imagined and pursued, is encoded by the
    embedding as it is now. A run that was stopped goes on where it was. Beside the rounds, `<run>/round-...`, come to
    lie the last one's `agent`, whose curve is of all rounds, and `embedding`, as in a demo's folder. Raises as
    `train_agent` and `fit` do, and InputError where one of these two is there already.
    """
    agent, run = config.agent, Path(config.agent.run)
    store = EpisodeStore(config.video)
    store.check_outside(run)
    if (cameras := list(store.cameras)) != [agent.camera]:
        raise InputError(
            f"{config.video} has the cameras {', '.join(cameras)}; allowed is video of the policy's own, "
            f"{agent.camera}, alone, as it is recorded, too; record it so"
        )
    share, least = agent.steps // config.rounds, shortest_round(agent)
    if config.rounds > 1 and share < least:
        raise InputError(
            f"agent.steps is {agent.steps}, a round {share} of them; allowed are {least} or more, one episode "
            "of each world, since what it saw is what the next round learns from; raise steps"
        )
    embedding = load_embedding(config.embedding, agent.allow)
    if config.rounds > 1:
        embedding.pick(store.layout, numpy_rng(agent.seed, 0))  # refuses what it could not learn from
    size_px = embedding.size_px
    if sizes := sorted({store.read(id).frames.shape[2:4] for id in store.ids} - {(size_px, size_px)}):
        raise InputError(
            f"{config.video} has frames of {' x '.join(map(str, sizes[0]))} px; allowed are the embedding's own, "
            f"{size_px} px square, as the policy's video is recorded, too; record it so"
        )
    taken = [run / part for part in ("agent", "embedding") if (run / part).exists()]
    if taken and not (run / "round-0").exists():
        raise InputError(f"{taken[0]} is there already, and is not this run's; allowed is another run folder; give one")
    free = (*(f"agent.{name}" for name in FREE), *fit_config.FREE)
    with RunDir(run, config, agent.seed, computes_on(agent.device), free=free):
        return _learned(config)


def shortest_round(agent: TrainAgentConfig) -> int:
    """Return the steps of one episode in each of a policy's worlds: of a shorter round nothing is seen whole."""
    return agent.n_envs * horizon_of(agent.env_id)


def _learned(config: OnlineConfig) -> Path:
    agent, run = config.agent, Path(config.agent.run)
    embedding, video, init, seen = config.embedding, config.video, agent.init, None
    for turn in range(config.rounds):
        folder = run / f"round-{turn}"
        if seen is not None:
            video = gathered(folder / "video", (video, seen))
            embedding = fit(
                load_embedding(embedding, agent.allow), EpisodeStore(video), folder / "embedding",
                replace(config.fit, seed=_seed(config.fit.seed, turn)),
            )  # fmt: skip
        seen, steps = folder / "seen", agent.steps * (turn + 1) // config.rounds - agent.steps * turn // config.rounds
        init = train_agent(
            replace(
                agent, run=folder / "agent", steps=steps, seed=_seed(agent.seed, turn),
                embedding=embedding, prior=video, init=init, record=seen,
            )
        )  # fmt: skip
    return _published(run, config.rounds)


def _published(run: Path, rounds: int) -> Path:
    """Lay the last round's policy and embedding into the run's folder, and return the policy's checkpoint there."""
    folders = [run / f"round-{turn}" for turn in range(rounds)]
    for part in ("embedding", "agent") if rounds > 1 else ("agent",):
        newest = checkpoint.newest(folders[-1] / part)
        if _weights(checkpoint.newest(run / part)) == _weights(newest):
            continue
        with durable.whole(run / part, replace=True) as aside:
            shutil.copytree(folders[-1] / part, aside, copy_function=_link, dirs_exist_ok=True)
            if part == "agent":
                write_atomically(aside / "curve.jsonl", "".join(_curve(folders)))  # the round keeps its own
    return checkpoint.newest(run / "agent")


def _weights(path: Path) -> str:
    """Return the hash of a checkpoint's weights; nothing where there is none."""
    return sha256_of(path) if (path / checkpoint.ABOUT).exists() else ""


def _curve(folders: Sequence[Path]) -> Iterator[str]:
    """Yield the lines of all rounds' curves, with the steps of all of them."""
    before = 0
    for folder in folders:
        for line in (folder / "agent" / "curve.jsonl").read_text().splitlines():
            record = json.loads(line)
            yield json.dumps(record | {"step": before + record["step"]}) + "\n"
        before += int(checkpoint.newest(folder / "agent").name.removeprefix("step-"))


def _seed(seed: int, turn: int) -> int:
    """Another for every run's seed and every round."""
    return seed_of(seed, turn) % 2**32


def gathered(out: Path, stores: Sequence[Path]) -> Path:
    """Return a store of all the stores' episodes: the same files under other names where the disk can, else copies.

    One that exists is kept as it is.
    """
    if not out.exists():
        with durable.whole(out) as aside:
            for number, root in enumerate(stores):
                for id in EpisodeStore(root).ids:
                    shutil.copytree(root / id, aside / f"{number}-{id}", copy_function=_link)
    return out


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
    return target
