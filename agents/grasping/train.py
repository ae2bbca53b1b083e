"""From a config to a value that grasps: what the script train_grasping calls."""

from __future__ import annotations

from functools import partial

import numpy as np

from agents.grasping.aims import by_heat_map, by_value
from agents.grasping.config import FREE, GraspingConfig
from agents.grasping.exam import outcomes, share_grasped
from agents.grasping.grasps import grasps_in
from agents.grasping.value import build_value, load_value
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.fit import fit
from sslctrl.run import RunDir
from sslctrl.store import EpisodeStore
from vision.build import load_embedding


def train_grasping(config: GraspingConfig) -> dict[str, dict[str, float]]:
    """Learn a value and return, by exam, how often what is asked for is grasped, of five objects: by the value, by
    Grasp2Vec's heat map where that is the embedding, and by grasping whatever comes. `<run>/metrics.json` says it, too.

    Raises InputError for unknown names and options, DataError for stores that are damaged or hold no grasps,
    Interrupted, with everything saved, after Ctrl-C.
    """
    store, goals = EpisodeStore(config.grasps), load_embedding(config.embedding, config.allow)
    exams = [EpisodeStore(path) for path in config.exams] or [store]
    varieties = [next(grasps_in(one)).meta["variety"] for one in exams]  # before the training: a mistake costs nothing
    value = build_value(goals, config.labels, config.batch, config.backbone, config.backbone_options, config.fit.seed)
    with RunDir(config.run, config, config.fit.seed, dataset=store.digest(), free=FREE) as run:
        value = load_value(fit(value, store, config.run, config.fit), (*config.allow, config.backbone))
        found = {}
        for one, variety in zip(exams, varieties, strict=True):
            exam = partial(share_grasped, pictures=outcomes(one), variety=variety, starts=config.starts)
            asking, rng = partial(by_value, value), np.random.default_rng(config.fit.seed)
            shares = {"value": exam(asking, rng=rng)}
            if isinstance(goals, Grasp2Vec):
                shares["heat_map"] = exam(partial(by_heat_map, goals), rng=rng)
            found[one.root.name] = shares | {"whatever_comes": exam(asking, rng=rng, shuffled=True)}
        run.write_json("metrics.json", found)
    return found
