"""What goals an embedding imagines, and what its distances say of true ones."""

from __future__ import annotations

import numpy as np
import torch

from agents.report.latent import positions
from sslctrl.embeddings.base import Embedding
from sslctrl.imagining import Imagining
from sslctrl.metrics.distances import Distances, compared
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore
from sslctrl.views import enlarge, view_of

TILE_PX, GAP_PX = 96, 6
EPISODES, GOALS, PAIRS = 8, 3, 2000


def imagined_picture(embedding: Imagining, store: EpisodeStore, camera: str, seed: int = 0) -> np.ndarray:
    """Return a picture, uint8 (H, W, 3): eight episodes' first frames, and below each three goals imagined in it."""
    first = np.stack([view_of(store.read(id), camera, embedding.size_px)[0] for id in store.ids[:EPISODES]])
    z = embedding.goals.sample(GOALS * len(first), torch.Generator().manual_seed(seed))
    goals = embedding.decode(z, channels_first(np.tile(first, (GOALS, 1, 1, 1)))).movedim(1, -1).cpu().numpy()
    tiles = enlarge(np.concatenate([first, goals]), TILE_PX)
    rows = [np.concatenate([*row], axis=1) for row in np.split(tiles, GOALS + 1)]
    gap = np.full((GAP_PX, *rows[0].shape[1:]), 255, np.uint8)
    return np.concatenate([rows[0], gap, *rows[1:]])


def distances_in(embedding: Embedding, store: EpisodeStore, camera: str, seed: int = 0) -> Distances:
    """Compare random pairs of moments of a store in the embedding and in truth. Raises DataError without true state."""
    episodes = [store.read(id) for id in store.ids]
    z = np.concatenate([embedding.embed_video(view_of(one, camera, embedding.size_px)) for one in episodes])
    places = np.concatenate([positions(one) for one in episodes])
    return compared(z, places, PAIRS, np.random.default_rng([seed, 7]))
