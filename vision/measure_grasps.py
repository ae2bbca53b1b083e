"""What Grasp2Vec is worth on grasps that it never saw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from sslctrl.clips import AFTER, BEFORE, OUTCOME
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import InputError
from sslctrl.metrics.retrieval import retrieval_top1
from sslctrl.objective import channels_first
from sslctrl.sampling import camera_indices
from sslctrl.store import EpisodeStore


class _Asked(NamedTuple):
    """Every other grasp that brought something, of what the rest brought, too; and the rest."""

    scenes: Tensor
    """uint8 (Q, 2, 3, H, W): before and after."""
    lost: np.ndarray
    """str (Q,): which object a scene lost."""
    outcomes: Tensor
    """uint8 (K, 3, H, W)."""
    brought: np.ndarray
    """str (K,)."""


def measure_grasps(embedding: Grasp2Vec, store: EpisodeStore) -> dict[str, float]:
    """Return `retrieval`: how often what a scene lost is nearest to an outcome of the same object, of one outcome of
    each kind of object from the other half of the grasps (Grasp2Vec, arXiv 1811.06964, section 5.1); and
    `retrieval_chance`, that of guessing. Raises as `check_grasps`.
    """
    asked = _asked_in(embedding, store)
    lost = embedding.embed_scene(asked.scenes[:, BEFORE]) - embedding.embed_scene(asked.scenes[:, AFTER])
    found = embedding.embed(asked.outcomes)
    pairs = lost.cpu().numpy(), asked.lost, found.cpu().numpy(), asked.brought
    return {
        "retrieval": retrieval_top1(*pairs, np.random.default_rng(0)),
        "retrieval_chance": 1 / len(np.unique(asked.brought)),
    }


def check_grasps(embedding: Grasp2Vec, store: EpisodeStore) -> None:
    """Raise InputError where a store's grasps are not of two kinds of objects, none was grasped twice, or frames are of
    another size.
    """
    embedding.embed(_asked_in(embedding, store).outcomes[:1])


def _asked_in(embedding: Grasp2Vec, store: EpisodeStore) -> _Asked:
    """Read a store's grasps. Raises InputError where none can be asked for."""
    view = camera_indices(store.layout, embedding.learns_from)[0]
    whole = [store.read(id) for id, length in zip(store.ids, store.lengths, strict=True) if length == OUTCOME + 1]
    whole = [episode for episode in whole if episode.meta["success"] and episode.meta.get("grasped")]
    if len({episode.frames.shape for episode in whole}) > 1:
        raise InputError(f"{store.root} holds grasps of several sizes; allowed is one; measure on a store of each")
    name = np.array([str(episode.meta["grasped"]) for episode in whole])
    brought = name[1::2]
    asked = np.flatnonzero(np.isin(name[::2], brought))
    if len(np.unique(brought)) < 2 or not len(asked):
        raise InputError(
            f"{store.root} holds {len(name)} grasps that say what they brought; allowed are several, of two kinds of "
            "objects or more, as scripts/collect_grasps.py records; record more, or leave eval_store out"
        )
    frames = channels_first(np.stack([episode.frames[view] for episode in whole]))
    return _Asked(frames[::2][asked, :OUTCOME], name[::2][asked], frames[1::2, OUTCOME], brought)
