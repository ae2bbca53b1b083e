"""Recorded episodes as films."""

from __future__ import annotations

import numpy as np

from agents.report import video
from agents.report.blocks import Film
from agents.report.latent import positions
from sslctrl.clips import Episode, seconds_a_step
from sslctrl.errors import DataError
from sslctrl.views import enlarge, goal_picture, square, view_of

_SHORTEST_SIDE_PX, _GAP_PX = 256, 4
SLOWER = 2.0  # an episode takes two seconds: too quick to follow


def film(frames: np.ndarray, dt_s: float, title: str, caption: str = "", good: bool | None = None) -> Film:
    """Make a film, at half speed, of frames uint8 (T, H, W, 3) taken every dt_s."""
    large = enlarge(frames, _SHORTEST_SIDE_PX)
    data = video.mp4(large, 1 / (dt_s * SLOWER))
    poster = video.data_uri(video.png(large[0]), "image/png")
    return Film(video.data_uri(data, "video/mp4"), poster, title, caption, good)


def episode_film(episode: Episode, camera: str, title: str, caption: str = "", good: bool | None = None) -> Film:
    """Make a film of one camera's view of an episode."""
    return film(view_of(episode, camera), seconds_a_step(episode.meta), title, caption, good)


def rollout_film(episode: Episode, camera: str, title: str) -> Film:
    """Make a film of a rollout that says whether it succeeded, and how far from its goal it began and ended; above
    it, where that is known, what the goal looks like.
    """
    try:
        distance = distance_to_goal(episode)
        caption = f"{distance[0] * 100:.0f} cm to {distance[-1] * 100:.1f} cm from the goal"
    except DataError:
        caption = ""
    frames = view_of(episode, camera)
    if (goal := goal_picture(episode, camera)) is not None:
        above = square(goal[None], frames.shape[2]).repeat(len(frames), axis=0)
        gap = np.full((len(frames), _GAP_PX, *frames.shape[2:]), 255, np.uint8)
        frames = np.concatenate([above, gap, frames], axis=1)
        caption = f"above: the goal; {caption}".removesuffix("; ")
    return film(frames, seconds_a_step(episode.meta), title, caption, bool(episode.meta.get("success")))


def distance_to_goal(episode: Episode) -> np.ndarray:
    """Return the true distance to the episode's own goal, (T,) m. Raises DataError where state or goal is unknown."""
    place = positions(episode)
    goal = episode.meta.get("goal")
    try:
        goal = np.asarray(goal, np.float64)
    except (TypeError, ValueError):
        goal = np.empty(0)
    if goal.shape != place.shape[1:]:
        raise DataError(f"the goal is {goal.shape}, the object's place {place.shape[1:]}; record both in one space")
    return np.linalg.norm(place - goal, axis=1)
