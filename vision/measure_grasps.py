"""What Grasp2Vec is worth on grasps that it never saw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sslctrl.clips import AFTER, BEFORE, OUTCOME
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import InputError
from sslctrl.metrics.retrieval import retrieval_top1
from sslctrl.objective import channels_first
from sslctrl.sampling import camera_indices
from sslctrl.store import EpisodeStore


class _Grasps(NamedTuple):
    """Those that brought something: what they look like, before, after and outcome, and what of."""

    frames: Tensor
    """uint8 (N, 3, 3, H, W)."""
    name: np.ndarray
    """str (N,)."""


def measure_grasps(embedding: Grasp2Vec, store: EpisodeStore) -> dict[str, float]:
    """Return `retrieval`: how often what a scene lost is nearest to an outcome of the same object, of one outcome of
    each kind of object from the other half of the grasps (Grasp2Vec, arXiv 1811.06964, section 5.1); and
    `retrieval_chance`, that of guessing. Raises as `check_grasps`.
    """
    check_grasps(embedding, store)
    frames, name = _grasps_in(embedding, store)
    asked, keys = _halves(name)
    before, after, outcome = frames[asked, BEFORE], frames[asked, AFTER], frames[keys, OUTCOME]
    lost = (embedding.embed_scene(before) - embedding.embed_scene(after)).cpu().numpy()
    found = embedding.embed(outcome).cpu().numpy()
    return {
        "retrieval": retrieval_top1(lost, name[asked], found, name[keys], np.random.default_rng(0)),
        "retrieval_chance": 1 / len(np.unique(name[keys])),
    }


def check_grasps(embedding: Grasp2Vec, store: EpisodeStore) -> None:
    """Raise InputError where a store's grasps are not of two kinds of objects, none was grasped twice, or frames are of
    another size.
    """
    frames, name = _grasps_in(embedding, store)
    asked, keys = _halves(name)
    if len(np.unique(name[keys])) < 2 or not len(asked):
        raise InputError(
            f"{store.root} holds {len(name)} grasps that say what they brought; allowed are several, of two kinds of "
            "objects or more, as scripts/collect_grasps.py records; record more, or leave eval_store out"
        )
    embedding.embed(frames[:1, OUTCOME])


def _grasps_in(embedding: Grasp2Vec, store: EpisodeStore) -> _Grasps:
    view = camera_indices(store.layout, embedding.learns_from)[0]
    whole = [store.read(id) for id, length in zip(store.ids, store.lengths, strict=True) if length == OUTCOME + 1]
    whole = [episode for episode in whole if episode.meta["success"] and episode.meta.get("grasped")]
    if len({episode.frames.shape for episode in whole}) > 1:
        raise InputError(f"{store.root} holds grasps of several sizes; allowed is one; measure on a store of each")
    if not whole:
        return _Grasps(torch.zeros(0, 3, 3, 1, 1, dtype=torch.uint8), np.array([], str))
    frames = channels_first(np.stack([episode.frames[view] for episode in whole]))
    return _Grasps(frames, np.array([str(episode.meta["grasped"]) for episode in whole]))


def _halves(name: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every other grasp, of which those are asked whose objects are among the rest; and the rest."""
    rows = np.arange(len(name))
    keys = rows[1::2]
    return rows[::2][np.isin(name[::2], name[keys])], keys
