"""A model of Stable-Baselines3 as named tensors, and back: its own files hold pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3 import HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.save_util import recursive_getattr
from torch import Tensor

_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_EPISODES = ("ep_start", "ep_length")  # of a HerReplayBuffer


def weights_of(model: BaseAlgorithm) -> dict[str, Tensor]:
    """Return what acting takes: the policy's weights, target networks and scales of the inputs."""
    return dict(model.policy.state_dict())


def set_weights(model: BaseAlgorithm, weights: Mapping[str, Tensor]) -> None:
    """Load a policy's weights. Raises RuntimeError or ValueError unless they are exactly the model's."""
    parameters: dict[str, Any] = {**model.get_parameters(), "policy": dict(weights)}
    model.set_parameters(parameters, exact_match=True, device=model.device)


def loose_of(model: BaseAlgorithm) -> dict[str, Tensor]:
    """Return what is learned beside the policy's weights: SAC's entropy coefficient."""
    return {name: recursive_getattr(model, name) for name in model._get_torch_save_params()[1]}


def set_loose(model: BaseAlgorithm, tensors: Mapping[str, Tensor]) -> None:
    """Load what `loose_of` gave. Raises KeyError or RuntimeError where it is another model's."""
    for name, value in loose_of(model).items():
        value.data.copy_(tensors[name])


def training_of(model: BaseAlgorithm) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what going on takes beside what is learned, as tensors and JSON: optimisers, replay buffer."""
    tensors = {
        f"{name}/{index}/{key}": value
        for name, saved in model.get_parameters().items()
        if name != "policy"
        for index, state in saved["state"].items()
        for key, value in state.items()
    }
    counts = {"updates": int(getattr(model, "_n_updates", 0)), "episodes": int(model._episode_num)}
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, ReplayBuffer):
        tensors |= {f"buffer/{name}": torch.from_numpy(array) for name, array in _filled(buffer).items()}
        counts |= {"pos": int(buffer.pos), "full": int(buffer.full), "capacity": buffer.buffer_size * buffer.n_envs}
    return tensors, counts


def set_training(model: BaseAlgorithm, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
    """Load what `training_of` gave. Episodes that were under way end where they were: the worlds start anew.

    Raises KeyError, RuntimeError or ValueError where it is another model's.
    """
    parameters: dict[str, Any] = model.get_parameters()
    for name, saved in parameters.items():
        if name != "policy":
            saved["state"] = _states(name, tensors)
    model.set_parameters(parameters, exact_match=True, device=model.device)
    model._n_updates, model._episode_num = counts["updates"], counts["episodes"]  # type: ignore[attr-defined]
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, ReplayBuffer):
        _refill(buffer, tensors, counts)


def _states(name: str, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{name}/"):
            index, _, part = key.removeprefix(f"{name}/").partition("/")
            states.setdefault(int(index), {})[part] = value
    return states


def _columns(buffer: ReplayBuffer) -> dict[str, np.ndarray]:
    """Return a buffer's arrays, (rows, worlds, ...) each, by name."""
    columns: dict[str, np.ndarray] = {}
    for name in (*_ARRAYS, *(_EPISODES if isinstance(buffer, HerReplayBuffer) else ())):
        value = getattr(buffer, name)
        columns |= {f"{name}/{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
    return columns


def _filled(buffer: ReplayBuffer) -> dict[str, np.ndarray]:
    rows = buffer.buffer_size if buffer.full else buffer.pos
    filled = {name: array[:rows] for name, array in _columns(buffer).items()}
    if isinstance(buffer, HerReplayBuffer):
        filled["begun"] = buffer._current_ep_start
    return filled


def _refill(buffer: ReplayBuffer, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> None:
    for name, array in _columns(buffer).items():
        saved = tensors[f"buffer/{name}"].numpy()
        array[: len(saved)] = saved
    buffer.pos, buffer.full = counts["pos"], bool(counts["full"])
    if isinstance(buffer, HerReplayBuffer):
        buffer._current_ep_start = tensors["buffer/begun"].numpy().copy()
        for world in np.flatnonzero(buffer._current_ep_start != buffer.pos):
            buffer.dones[buffer.pos - 1, world] = buffer.timeouts[buffer.pos - 1, world] = 1.0  # cut, not terminal
            buffer._compute_episode_length(int(world))
