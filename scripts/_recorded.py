"""What scripts say that leave a store of video."""

import shlex

from sslctrl.store import EpisodeStore


def summary(store: EpisodeStore, name: str = "") -> str:
    """Say what lies where, and how to go on with an embedding: one camera teaches no multi-view one."""
    size_px = store.read(store.ids[0]).frames.shape[2]
    decodes = size_px >= 16 and size_px & (size_px - 1) == 0
    name = name or ("tcn" if len(store.cameras) > 1 else "vae" if decodes else "svtcn")
    options = "" if size_px == 64 else f" --options size_px={size_px}"
    where = shlex.quote(str(store.root))
    learn = f"python scripts/train_embedding.py --store {where} --run runs/{name} --name {name}{options}"
    return f"episodes in {store.root}: {len(store)}; next, when there are enough: {learn}"
