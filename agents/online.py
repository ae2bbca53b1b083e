"""Learning from what the policy sees (RIG, arXiv 1807.04742, algorithm 1): policy and embedding take turns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agents.online_config import OnlineConfig
from agents.train import train_agent
from sslctrl import durable
from sslctrl.errors import InputError
from sslctrl.fit import fit
from sslctrl.rng import seed_of
from sslctrl.store import EpisodeStore
from vision.build import load_embedding


def learn_online(config: OnlineConfig) -> Path:
    """Train in rounds, and return the last checkpoint of the policy, `<run>/round-.../checkpoints/step-...`.

    Every round goes on with the policy of the last one, and every round but the first begins with further training of
    the embedding on all video so far: that to begin with, and what the policy saw. The replay buffer is filled anew
    from that video, so that all that is stored is encoded, and goals imagined, by the embedding as it is now. A run
    that was stopped goes on where it was. Raises as `train_agent` and `fit` do.
    """
    agent, run = config.agent, Path(config.agent.run)
    if (cameras := list(EpisodeStore(config.video).cameras)) != [agent.camera]:
        raise InputError(
            f"{config.video} has the cameras {', '.join(cameras)}; allowed is video of the policy's own, "
            f"{agent.camera}, alone, as it is recorded, too; record it so"
        )
    embedding, video, init, seen = config.embedding, config.video, agent.init, None
    for turn in range(config.rounds):
        folder = run / f"round-{turn}"
        if seen is not None:
            video = gathered(folder / "video", (video, seen))
            embedding = fit(
                load_embedding(embedding, agent.allow), EpisodeStore(video), folder / "embedding",
                replace(config.fit, seed=_seed(config.fit.seed, turn)),
            )  # fmt: skip
        seen = folder / "seen"
        init = train_agent(
            replace(
                agent, run=folder / "agent", steps=agent.steps // config.rounds, seed=_seed(agent.seed, turn),
                embedding=embedding, prior=video, init=init, record=seen,
            )
        )  # fmt: skip
    assert init is not None
    return init


def _seed(seed: int, turn: int) -> int:
    """Another for every run's seed and every round."""
    return seed_of(seed, turn) % 2**32


def gathered(out: Path, stores: Sequence[Path]) -> Path:
    """Return a store of all the stores' episodes: the same files under other names where the disk can, else copies.

    One that exists is kept as it is.
    """
    if out.exists():
        return out
    aside = out.with_name(f".tmp-{out.name}")
    shutil.rmtree(aside, ignore_errors=True)
    durable.make_folder(aside)
    try:
        for number, root in enumerate(stores):
            for id in EpisodeStore(root).ids:
                shutil.copytree(root / id, aside / f"{number}-{id}", copy_function=_link)
        aside.rename(out)
    except OSError as error:
        raise durable.storage_error(error, out) from error
    return out


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)
    return target
