"""An episode of one of the worlds, from what was seen and done in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from envs.env import RobotEnv
from sslctrl.clips import Episode


def episode_of(
    world: RobotEnv,
    frames: Sequence[np.ndarray],
    states: Sequence[np.ndarray],
    actions: Sequence[np.ndarray],
    rewards: Sequence[float],
    about: Mapping[str, Any],
    depth: Sequence[np.ndarray] = (),
    pursued: np.ndarray | None = None,
) -> Episode:
    """Return the episode that the world is at the end of. Of T+1 moments: frames, uint8 (V, H, W, 3), states (S,) and,
    where it was recorded, depth, uint16 (V, H, W); of T steps between them: actions (A,) and rewards. ``about`` goes
    into meta, beside what the world says of itself.
    """
    state = np.array(states, np.float32)
    return Episode(
        frames=np.stack(frames, axis=1),
        state=state,
        proprio=state[:, : world.task.proprio_size],
        action=np.array(actions, np.float32),
        reward=np.array(rewards, np.float32),
        meta={
            "cameras": list(world.cameras),
            "state_names": list(world.task.state_names),
            "action_names": list(world.task.action_names),
            "dt_s": world.sim.timing.control_dt_s,
            "goal": world.goal.tolist(),
            "length": len(actions),
            **about,
        },
        depth=np.stack(depth, axis=1) if len(depth) else None,
        pursued=pursued,
    )
