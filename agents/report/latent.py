"""What the page shows of an embedding: which moments of two views it takes for the same, and its reward over time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from agents.encoders import Encoder, PixelEncoder
from sslctrl.clips import Episode, seconds_a_step
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import DataError
from sslctrl.metrics.alignment import alignment_error
from sslctrl.metrics.positions import position_columns
from sslctrl.metrics.progress import reward_progress
from sslctrl.rewards.latent_distance import LatentDistance
from sslctrl.store import EpisodeStore
from sslctrl.views import view_of

STILL_M = 1e-3


class Alignment(NamedTuple):
    """One episode in two views."""

    id: str
    error: float
    episodes: int
    """How many there were; this one's error is their median."""
    distances: np.ndarray
    """float64 (T, T): between step t of the first view and step u of the second."""
    neighbors: np.ndarray
    """int (T,): the step of the second view nearest to each of the first."""


class Progress(NamedTuple):
    """Rewards and truth along one episode, (T,) each."""

    seconds: np.ndarray
    distance_m: np.ndarray
    """To where the demonstration ended."""
    learned: np.ndarray
    pixels: np.ndarray

    def rank_correlation(self, reward: np.ndarray) -> float | None:
        """Spearman's correlation of a reward with progress, seen to a millimetre: below is the physics' noise.

        None where nothing moved.
        """
        distance_m = np.round(self.distance_m / STILL_M) * STILL_M
        return reward_progress([reward], [distance_m]) if np.ptp(distance_m) > STILL_M else None


def median_alignment(embedding: Embedding, store: EpisodeStore, pair: tuple[str, str]) -> Alignment:
    """Return the alignment of the episode whose error is the median of the store's, neither the best nor the worst."""
    if pair[0] == pair[1]:
        raise DataError(f"{store.root} has one camera; alignment takes two; record it with another one")
    views = {id: _both(embedding, store.read(id), pair) for id in store.ids}
    errors = {id: alignment_error(first, second) for id, (first, second) in views.items()}
    middle = sorted(errors, key=lambda id: (errors[id], id))[(len(errors) - 1) // 2]
    first, second = views[middle]
    distances = cdist(first, second)
    return Alignment(middle, errors[middle], len(errors), distances, distances.argmin(axis=1))


def progress(encoder: Encoder, episode: Episode, camera: str, goal: Episode, goal_camera: str) -> Progress:
    """Compare rewards with truth along an episode seen by `camera`; the goal is the last frame of `goal_camera`.

    Learned and raw-pixel reward are minus the distance to the goal, in the embedding and between pixels; both see the
    same two cameras. Raises DataError where the true state is unknown.
    """
    size_px, end = encoder.size_px, positions(goal)[-1]
    frames, target = view_of(episode, camera, size_px), view_of(goal, goal_camera, size_px)
    return Progress(
        np.arange(len(frames)) * seconds_a_step(episode.meta),
        np.linalg.norm(positions(episode) - end, axis=1),
        _reward(encoder, frames, target),
        _reward(PixelEncoder(size_px), frames, target),
    )


def reward_spearman(
    embedding: Embedding, store: EpisodeStore, camera: str, goal: Episode, goal_camera: str
) -> dict[str, list[float]]:
    """Return Spearman's correlation of reward and progress in each episode in which something moved, by the reward's
    name: `reward`, the learned one, and `pixel`, both between two cameras; `pixel_same_view`: raw pixels that see both
    from `camera`.
    """
    raw = PixelEncoder(embedding.size_px)
    found: dict[str, list[float]] = {"reward": [], "pixel": [], "pixel_same_view": []}
    for id in store.ids:
        episode = store.read(id)
        seen = progress(embedding, episode, camera, goal, goal_camera)
        same = progress(raw, episode, camera, goal, camera)
        for name, reward in zip(found, (seen.learned, seen.pixels, same.pixels), strict=True):
            rank = seen.rank_correlation(reward)
            if rank is not None:
                found[name].append(rank)
    return found


def positions(episode: Episode) -> np.ndarray:
    """Return where the object is in the true state, (T, 2 or 3) m: the hand's where there is none. Raises DataError."""
    names = [str(name) for name in episode.meta.get("state_names", ())]
    if not names or len(names) != episode.state.shape[1]:
        raise DataError("the true state is not in this video; a real robot's has none; record a simulated one")
    places = position_columns(names) or list(range(len(names)))
    things = [i for i in places if not names[i].startswith("hand_")] or places
    return np.asarray(episode.state[:, things], np.float64)


def _both(embedding: Embedding, episode: Episode, pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    first, second = (embedding.embed_video(view_of(episode, camera, embedding.size_px)) for camera in pair)
    return first, second


def _reward(encoder: Encoder, frames: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return minus the distances (T,) of a video's moments to another's last."""
    z, goal = (encoder.embed_hwc(moments) for moments in (encoder.history.of(frames), encoder.history.of(target)[-1:]))
    return LatentDistance()(z, z, np.broadcast_to(goal, z.shape))
