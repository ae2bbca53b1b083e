"""A store's grasps, as `scripts/collect_grasps.py` records them."""

from __future__ import annotations

from sslctrl.clips import OUTCOME, Episode
from sslctrl.errors import DataError
from sslctrl.store import EpisodeStore


def grasps_in(store: EpisodeStore) -> list[Episode]:
    """Return the episodes of three frames, before, after and outcome, that say in `meta["grasped"]` of what.

    Raises DataError where there is none.
    """
    found = [one for one in map(store.read, store.ids) if one.frames.shape[1] == OUTCOME + 1 and "grasped" in one.meta]
    if not found:
        raise DataError(f"{store.root} holds no grasps; allowed is what scripts/collect_grasps.py records")
    return found
