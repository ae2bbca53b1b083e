"""A store's grasps, as `scripts/collect_grasps.py` records them."""

from __future__ import annotations

from collections.abc import Iterator

from sslctrl.clips import OUTCOME, Episode
from sslctrl.errors import DataError
from sslctrl.store import EpisodeStore


def grasps_in(store: EpisodeStore) -> Iterator[tuple[int, Episode]]:
    """Yield the episodes of three frames, before, after and outcome, that say in `meta["grasped"]` of what, each as it
    is read, with its index among the store's ids. Raises DataError where there is none.
    """
    found = False
    for index, episode in enumerate(map(store.read, store.ids)):
        if episode.frames.shape[1] == OUTCOME + 1 and "grasped" in episode.meta:
            found = True
            yield index, episode
    if not found:
        raise DataError(f"{store.root} holds no grasps; allowed is what scripts/collect_grasps.py records")
