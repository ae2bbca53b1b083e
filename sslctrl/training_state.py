"""What a run needs to go on exactly: which run it is, weights, optimiser and step, saved and found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslctrl import checkpoint, same_run
from sslctrl.errors import CheckpointError, InputError
from sslctrl.fit_config import SHAPES_THE_RESULT, FitConfig
from sslctrl.objective import Objective, is_frozen
from sslctrl.store import EpisodeStore

KIND = "objective"


def spec_of(objective: Objective) -> dict[str, Any]:
    """Return name, options, backbone, backbone_options and, where it is, that this is frozen: what builds the objective
    again.

    Raises InputError for an objective, or a backbone of one, that no registry built.
    """
    spec = getattr(objective, "spec", None)
    if spec is None:
        raise InputError(
            f"{type(objective).__name__} has no spec, so that no checkpoint of it could be opened; "
            "allowed is what vision.build.build_objective built; build it so"
        )
    backbone = getattr(objective, "backbone", None)
    built = asdict(spec)
    if isinstance(backbone, nn.Module):
        its = getattr(backbone, "spec", None)
        if its is None:
            raise InputError(
                f"the backbone of {type(objective).__name__}, a {type(backbone).__name__}, has no spec, so that no "
                "checkpoint of it could be opened; allowed is one by name; build both by vision.build.build_objective, "
                "or the backbone by BACKBONES.build"
            )
        known = {"pretrained": False} if its.options.get("pretrained") else {}  # its weights are saved
        built |= {"backbone": its.name, "backbone_options": {**its.options, **known}}
        if is_frozen(backbone):
            built |= {"frozen": True}
    return built


def identity_of(objective: Objective, store: EpisodeStore, config: FitConfig) -> dict[str, Any]:
    """Return what makes a run the run it is: a resumed run must agree in all of it."""
    settings = {name: getattr(config, name) for name in SHAPES_THE_RESULT}
    return {"spec": spec_of(objective), "dataset": store.digest(), **settings}


def save(
    run: Path,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    step: int,
    identity: Mapping[str, Any],
    store: EpisodeStore,
) -> Path:
    """Publish the checkpoint of a step, and what it saw, drop all but the newest two, and return its folder."""
    training = {
        f"{name}.{key}": value
        for name, parameter in objective.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    cameras = list(getattr(objective, "learns_from", ()) or store.cameras)
    seen = {"env_id": store.read(store.ids[0]).meta.get("env_id", ""), "cameras": cameras}
    extra = {"step": step, "identity": dict(identity), "video": seen}
    return checkpoint.save_step(run, step, KIND, identity["spec"], objective.state_dict(), extra, training)


def restore(
    run: Path, objective: Objective, optimizer: torch.optim.Optimizer, identity: Mapping[str, Any]
) -> tuple[int, Path | None]:
    """Load the newest checkpoint that verifies and return its step and folder: 0 and None in a run without one.

    Raises InputError naming what differs where the run was another one, CheckpointError where all are damaged.
    """
    newest = checkpoint.newest_intact(run, KIND)
    if newest is None:
        return 0, None
    folder, saved = newest
    same_run.agree(run, saved.extra.get("identity", {}), identity)
    try:
        objective.load_state_dict(saved.tensors)
        _load_optimizer(objective, optimizer, saved.training)
        return saved.extra["step"], folder
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{folder} does not fit {type(objective).__name__}, whose code must have changed since; "
            "go on with the code it was started with, or give another run folder"
        ) from error


def _load_optimizer(objective: Objective, optimizer: torch.optim.Optimizer, training: Mapping[str, Tensor]) -> None:
    parameters = dict(objective.named_parameters())
    for key, value in training.items():
        name, _, part = key.rpartition(".")
        parameter = parameters[name]
        # Laid out as the parameter is (channels last, say): the fused optimiser needs the strides to agree.
        like = (
            torch.empty_like(parameter)
            if value.shape == parameter.shape
            else torch.empty_like(value, device=parameter.device)
        )
        optimizer.state[parameter][part] = like.detach().copy_(value)
