"""A store's grasps, as `scripts/collect_grasps.py` records them."""

from __future__ import annotations

from collections.abc import Iterator

from sslctrl.clips import OUTCOME, Episode
from sslctrl.errors import DataError
from sslctrl.store import EpisodeStore


def is_grasp(episode: Episode) -> bool:
    """Tell whether an episode is a grasp: three frames, before, after and outcome, and of what in `meta["grasped"]`."""
    return episode.frames.shape[1] == OUTCOME + 1 and "grasped" in episode.meta


def grasps_in(store: EpisodeStore) -> Iterator[Episode]:
    """Yield the episodes that are grasps, each as it is read. Raises DataError where there is none."""
    found = False
    for episode in map(store.read, store.ids):
        if is_grasp(episode):
            found = True
            yield episode
    if not found:
        raise DataError(f"{store.root} holds no grasps; allowed is what scripts/collect_grasps.py records")
