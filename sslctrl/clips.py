"""The shapes in which video travels: recorded episodes, picked batches, and the clips that objectives eat.

Letters: B batch, V views, T frames (or control steps), H W pixels, A action, S state, P proprioception.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # envs records episodes without ever importing torch
    import numpy as np
    from torch import Tensor


class Episode(NamedTuple):
    """One reset-to-end recording of T control steps, and so T+1 frames per view. Row 0 of a frame is on top."""

    frames: np.ndarray
    """uint8 (V, T+1, H, W, 3), RGB."""
    state: np.ndarray
    """float32 (T+1, S): the true state, for probes and metrics only; S = 0 where it is unknown."""
    proprio: np.ndarray
    """float32 (T+1, P)."""
    action: np.ndarray
    """float32 (T, A)."""
    reward: np.ndarray
    """float32 (T,): the environment's own reward."""
    meta: dict[str, Any]
    """JSON values: cameras (V names), success (bool), length (T), and env_id, seed, state_names, dt_s, versions, ..."""
    depth: np.ndarray | None = None
    """uint16 (V, T+1, H, W), where it was recorded: mm from the camera along its axis; 0 where nothing was hit."""
    pursued: np.ndarray | None = None
    """uint8 (H, W, 3), where a policy pursued a goal of known looks: the picture that was shown, or what was imagined,
    decoded from its latent, so that of an embedding with `body` the robot is not in it.
    """


BEFORE, AFTER, OUTCOME = 0, 1, 2
"""The frames of an episode that is one grasp: the scene before it, the scene after it, and what the gripper holds."""


def seconds_a_step(meta: Mapping[str, Any]) -> float:
    """Return the time from one frame to the next of an episode's meta; .1 s where it says none that can be."""
    dt = meta.get("dt_s")
    return float(dt) if isinstance(dt, int | float) and 1e-3 < dt < 60 else 0.1


class Layout(NamedTuple):
    """What `Objective.pick` may know of a store: no pixels."""

    lengths: np.ndarray
    """int64 (E,): frames (T+1) of each episode."""
    views: int
    """Cameras of every episode."""
    cameras: tuple[str, ...]
    """Their names, in the order of the view index."""
    dt_s: np.ndarray | float = 0.1
    """float64 (E,): time from one frame to the next of each episode; a number: of all."""
    digest: str = ""
    """The store's, by which a sampler that looked at its pixels knows it again."""


class Pick(NamedTuple):
    """Which frames make a batch: integers only, so that a sampler is tested without pixels."""

    episode: np.ndarray
    """int (B,): index into `store.ids`."""
    view: np.ndarray
    """int (B, V): index into the cameras."""
    step: np.ndarray
    """int (B, V, T): index of the frame, 0 to length - 1."""
    context: bool = False
    """Whether the clips carry each episode's first frame."""
    label: np.ndarray | None = None
    """int (B, ...): what the sampler knows of each clip and the loss is to, as the order of its frames."""
    depth: bool = False
    """Whether the clips carry the frames' depth."""
    others: tuple[Pick, ...] = ()
    """Of further objectives that learn at the same time."""


class Clips(NamedTuple):
    """One batch of video: torch tensors. The frames' memory is H, W, 3 (channels last): permuting it back is free."""

    frames: Tensor
    """uint8 (B, V, T, 3, H, W), RGB."""
    action: Tensor | None = None
    """float32 (B, V, T, A): the action taken at each frame; at the last frame of an episode, the last action taken."""
    proprio: Tensor | None = None
    """float32 (B, V, T, P): what the robot knows of its own body."""
    state: Tensor | None = None
    """float32 (B, V, T, S): for probes and metrics only, never for a loss."""
    success: Tensor | None = None
    """bool (B,): whether the episode succeeded."""
    context: Tensor | None = None
    """uint8 (B, 3, H, W): the episode's first frame in the first picked view, where the pick asked for it."""
    label: Tensor | None = None
    """int64 (B, ...): the pick's."""
    depth: Tensor | None = None
    """float32 (B, V, T, H, W), where the pick asked for it: metres from the camera; 0 where it is unknown."""
    others: tuple[Clips, ...] = ()
    """Of the pick's others."""
