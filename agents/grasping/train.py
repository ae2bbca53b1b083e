"""From a config to a value that grasps: what the script train_grasping calls."""

from __future__ import annotations

from functools import partial

import numpy as np

from agents.grasping.aims import by_heat_map, by_value
from agents.grasping.config import FREE, GraspingConfig
from agents.grasping.exam import FIRST_START, outcomes, share_grasped, variety_of
from agents.grasping.value import build_value
from envs.grasps import present_in
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import InputError
from sslctrl.fit import computes_on, fit
from sslctrl.run import RunDir
from sslctrl.store import EpisodeStore
from vision.build import load_embedding


def train_grasping(config: GraspingConfig) -> dict[str, dict[str, float]]:
    """Learn a value and return, by exam, how often what is asked for is grasped, of five objects: by the value, by
    Grasp2Vec's heat map where that is the embedding, and by grasping whatever comes. `<run>/metrics.json` says it, too.

    Raises InputError for unknown names and options, and exams that no start is of, DataError for stores that are
    damaged or hold no grasps, CheckpointError for a bad embedding, Interrupted, with everything saved, after Ctrl-C.
    """
    store, goals = EpisodeStore(config.grasps), load_embedding(config.embedding, config.allow)
    store.check_outside(config.run)
    exams = [(one, variety_of(one), outcomes(one)) for one in map(EpisodeStore, config.exams or (config.grasps,))]
    for one, variety, pictures in exams:
        starts = range(FIRST_START, FIRST_START + config.starts)
        if not any(present_in(variety, start)[0] in pictures for start in starts):
            raise InputError(
                f"none of the {config.starts} starts asks for one of the {len(pictures)} kinds of objects that were "
                f"grasped in {one.root}; allowed are more starts, or exams with more grasps; give either"
            )
    value = build_value(goals, config.labels, config.batch, config.backbone, config.backbone_options, config.fit.seed)
    with RunDir(config.run, config, config.fit.seed, computes_on(config.fit.device), store.digest(), FREE) as run:
        fit(value, store, config.run, config.fit)
        found = {}
        for one, variety, pictures in exams:
            exam = partial(share_grasped, pictures=pictures, variety=variety, starts=config.starts)
            asking, rng = partial(by_value, value), np.random.default_rng(config.fit.seed)
            shares = {"value": exam(asking, rng=rng)}
            if isinstance(goals, Grasp2Vec):
                shares["heat_map"] = exam(partial(by_heat_map, goals), rng=rng)
            found[str(one.root)] = shares | {"whatever_comes": exam(asking, rng=rng, shuffled=True)}
        run.write_json("metrics.json", found)
    return found
