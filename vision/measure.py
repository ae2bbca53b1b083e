"""What a trained embedding is worth on episodes that it never saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from sslctrl.clips import Episode
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import InputError
from sslctrl.metrics.alignment import alignment_of, alignment_over_views, state_floor
from sslctrl.metrics.positions import position_columns
from sslctrl.metrics.probe import probe_r2
from sslctrl.sampling import camera_indices
from sslctrl.store import EpisodeStore
from vision.measure_grasps import check_grasps, measure_grasps
from vision.untrained import untrained

RESOLUTION_M = 0.01
"""The displacement that a picture is taken to show: about a pixel of a 64 px view of the table."""
_LEAST = 20
"""Frames that probes are fitted on, at the least: a tenth of them says when to stop."""
_VARIES_M = 1e-6
"""A position that varies by less is always the same: of a hand at constant height there is nothing to read."""
_UNTRAINED_SEED = 12345  # other than the seeds people train with, so that these weights are no one's first


def measure(embedding: Embedding, store: EpisodeStore, cameras: Sequence[str] = ()) -> dict[str, float]:
    """Return what an embedding is worth on a store it never saw, over `cameras`, or all where none is named.

    Of two cameras or more `alignment_error`: mean over the episodes and the pairs of cameras, and marks to read it by:
    `alignment_random_encoder`, that of the net `untrained`, and `alignment_floor`, that of the true positions seen to
    1 cm. Where positions are known, `probe_linear_<state>`, `probe_mlp_<state>`: R^2 of each that varies, read from the
    first camera's embeddings. Of Grasp2Vec what `measure_grasps` does. Raises as `check_heldout`.
    """
    if isinstance(embedding, Grasp2Vec):
        return measure_grasps(embedding, store)
    check_heldout(embedding, store, cameras)
    views = camera_indices(store.layout, cameras)
    columns, names = _positions(store)
    aligned, errors, z, positions = len(views) > 1, [], [], []
    for id in tqdm(store.ids, desc="measuring", unit="episode", disable=None):
        episode = store.read(id)
        seen = {store.cameras[view]: embedding.embed_video(episode.frames[view]) for view in views}
        if aligned:
            errors.append(alignment_over_views(seen))
        z.append(seen[store.cameras[views[0]]])
        positions.append(episode.state[:, columns])
    measured: dict[str, float] = {}
    if aligned:
        fresh = untrained(embedding, store, _UNTRAINED_SEED)
        measured["alignment_error"] = float(np.mean(errors))
        measured["alignment_random_encoder"] = float(alignment_of(fresh, store, cameras).mean())
    if aligned and columns:
        measured["alignment_floor"] = float(np.mean([state_floor(part, RESOLUTION_M) for part in positions]))
    episode_of = np.repeat(np.arange(len(z)), [len(part) for part in z])
    where = np.concatenate(positions)
    varied = np.ptp(where, axis=0) > _VARIES_M
    for kind in ("linear", "mlp") if varied.any() else ():
        values = probe_r2(np.concatenate(z), where[:, varied], episode_of, kind)
        read = (name for name, varies in zip(names, varied, strict=True) if varies)
        measured |= {f"probe_{kind}_{name}": float(value) for name, value in zip(read, values, strict=True)}
    return measured


def check_heldout(embedding: Embedding, store: EpisodeStore, cameras: Sequence[str] = ()) -> None:
    """Raise InputError where nothing of a store can be measured: one episode, neither a second camera nor positions,
    too few frames for these, frames of another size or of several, states that differ in their names.

    Raises DataError where it is damaged.
    """
    if isinstance(embedding, Grasp2Vec):
        check_grasps(embedding, store)
        return
    if len(store) < 2:
        raise InputError(f"{store.root} holds {len(store)} episodes; allowed are 2 or more to measure; record more")
    views, (columns, _) = camera_indices(store.layout, cameras), _positions(store)
    if len(views) < 2 and not columns:
        raise InputError(
            f"{store.root} has one camera and no state that ends in x, y or z, metres; allowed are two cameras or more "
            "to align, or such a state to read; record them, or leave the measuring out"
        )
    fewest = int(np.sort(store.lengths)[: max(1, len(store) * 7 // 10)].sum())
    if columns and fewest < _LEAST:
        raise InputError(
            f"{store.root} may leave {fewest} frames to fit the probes on; allowed are {_LEAST} or more; record longer "
            "episodes, or more of them"
        )
    embedding.embed_video(store.read(store.ids[0]).frames[views[0], :1])
    kinds = {id: _kind(store.read(id)) for id in store.ids}
    first = kinds[store.ids[0]]
    if other := next((id for id in store.ids if kinds[id] != first), None):
        raise InputError(
            f"{store.root / other} has frames of {kinds[other].size} px and states {kinds[other].names}, the first "
            f"episode {first.size} and {first.names}; allowed are the same in all; record them alike"
        )


class _Kind(NamedTuple):
    size: tuple[int, ...]
    width: int
    names: list[str]


def _kind(episode: Episode) -> _Kind:
    return _Kind(episode.frames.shape[2:4], episode.state.shape[1], episode.meta.get("state_names", []))


def _positions(store: EpisodeStore) -> tuple[list[int], list[str]]:
    """Return the columns and names of the states that are positions; none where states have no names, as imported.

    Raises InputError for names that are not those of the columns.
    """
    first = store.read(store.ids[0])
    names, width = first.meta.get("state_names", []), first.state.shape[1]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) not in (0, width):
        raise InputError(
            f"state_names of {store.root / store.ids[0]} are {names}; allowed are {width}, a column of the state each"
        )
    columns = position_columns(names)
    return columns, [names[column] for column in columns]
