"""Where names of backbones meet names of embeddings and pretext tasks: building them, and opening their checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sslctrl import checkpoint
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import CheckpointError, InputError, SslctrlError, nearest
from sslctrl.heads import channels_of, check_map
from sslctrl.objective import Objective
from sslctrl.options import check_options
from sslctrl.registry import Registry, Spec, check_allowed
from sslctrl.training_state import KIND
from vision.backbones import BACKBONES
from vision.combined import Combined
from vision.image import IMAGE_TASKS
from vision.video import VIDEO_TASKS

REGISTRIES = (EMBEDDINGS, IMAGE_TASKS, VIDEO_TASKS)
"""Of all embeddings and pretext tasks."""
_log = logging.getLogger(__name__)
_PREFIX, _PLUS = "backbone.", "+"


@dataclass(frozen=True)
class ObjectiveSpec:
    """What an objective is built from."""

    name: str = "tcn"
    """An embedding's or pretext task's name, your own package.module:Class, or several, joined by +."""
    options: dict[str, Any] = field(default_factory=dict)
    """Its options; of several, each one's as `<name>.<option>`, and `weights`."""
    backbone: str = "conv"
    """A backbone's name, your own package.module:Class, or the folder of a run or checkpoint of any objective, whose
    backbone this one is a copy of.
    """
    backbone_options: dict[str, Any] = field(default_factory=dict)
    """The backbone's options; with a folder none, it knows its own."""
    init: str = ""
    """Any objective's checkpoint, whose backbone's weights this backbone starts from; empty: random weights. Of
    split-brain, which has two, the one that sees lightness or the image."""
    frozen: bool = False
    """Whether the backbone stays as it starts."""
    seed: int = 0
    """Decides the random weights."""


def build_objective(spec: ObjectiveSpec) -> Objective:
    """Build an objective on its backbone. Raises InputError for unknown names and options, CheckpointError for a bad
    `init` or folder.
    """
    if spec.backbone not in BACKBONES.names():
        if Path(spec.backbone).is_dir():
            spec = _from_folder(spec)
        elif len(Path(spec.backbone).parts) > 1 and ":" not in spec.backbone:
            raise InputError(
                f"there is no folder {spec.backbone}; the nearest backbones are "
                f"{nearest(spec.backbone, BACKBONES.names())}; give the folder of a run, or one of these"
            )
    try:
        objective = _build(spec, allow=None)
    except RuntimeError as error:  # torch's, of sizes that no machine has; of a file, `build_saved` says so
        told = " ".join(str(error).split("\n")[0].split())
        raise InputError(
            f"{spec.name!r} with {spec.options} on backbone {spec.backbone!r} with {spec.backbone_options} cannot be "
            f"built ({told}); change the options"
        ) from error
    if spec.init:
        tensors = checkpoint.read(checkpoint.newest(Path(spec.init)), KIND).tensors
        weights = {name.removeprefix(_PREFIX): value for name, value in tensors.items() if name.startswith(_PREFIX)}
        for backbone in objective.backbones:
            load_weights(
                backbone, weights, f"the backbone of {spec.init}", f"backbone {spec.backbone!r} as its options are"
            )
    return objective


def load_objective(path: str | Path, allow: Collection[str] = ()) -> Objective:
    """Open a checkpoint of `fit`, or the newest of a run's folder, in eval mode. No code runs but the registries' own
    and the `package.module:Class` in `allow`.

    Raises CheckpointError where it is missing, damaged or does not fit its own spec, InputError for a class not
    allowed.
    """
    path = checkpoint.newest(Path(path))
    saved = checkpoint.read(path, KIND)
    if missing := {"name", "options", "backbone", "backbone_options"} - set(saved.spec):
        raise CheckpointError(
            f"{path} does not say its {sorted(missing)[0]}; its objective was not built by vision.build"
        )
    try:
        objective = build_saved(saved.spec, allow)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    load_weights(objective, saved.tensors, str(path), "the objective that its spec names")
    _warn_of_unfinished(path, saved.extra)
    return objective.eval()


def _warn_of_unfinished(path: Path, extra: Mapping[str, Any]) -> None:
    match extra:
        case {"step": int(step), "identity": {"steps": int(steps)}} if step < steps:
            _log.warning("%s is of step %d of %d: its run was stopped, and lacks what the end adds", path, step, steps)


def build_saved(spec: Mapping[str, Any], allow: Collection[str] = ()) -> Objective:
    """Build what a file says that an objective was built from: no other file is read, and no code runs but the
    registries' own and the `package.module:Class` in `allow`.

    Raises InputError for a name or option that there is not, and for a class not allowed, CheckpointError for what
    cannot be built.
    """
    try:
        if strange := set(spec) - set(ObjectiveSpec.__dataclass_fields__):
            raise CheckpointError(
                f"it says {sorted(strange)[0]}, which no objective here has; open it with the sslctrl that wrote it"
            )
        named = ObjectiveSpec(**spec)
        check_allowed(names_in(spec), allow)
        return _build(named, allow)
    except SslctrlError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CheckpointError(f"what it says cannot be built ({reason}); use another, or train again") from error


def names_in(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the classes that a file's objective is built from: its own, of a sum each, and its
    backbone's.
    """
    return [*str(spec.get("name")).split(_PLUS), str(spec.get("backbone"))]


def load_embedding(path: str | Path, allow: Collection[str] = ()) -> Embedding:
    """Open a checkpoint of an embedding. Raises as `load_objective`, and CheckpointError for a pretext task's."""
    objective = load_objective(path, allow)
    if not isinstance(objective, Embedding):
        raise CheckpointError(
            f"{path} is a {objective.spec.name!r}, which has no embed(); allowed are {', '.join(EMBEDDINGS.names())}; "
            f"train one of them on it, with --backbone {path}"
        )
    return objective


def objective_names() -> tuple[str, ...]:
    """Return the names of all embeddings and pretext tasks, without importing any."""
    return tuple(name for registry in REGISTRIES for name in registry.names())


def _build(spec: ObjectiveSpec, allow: Collection[str] | None) -> Objective:
    with torch.random.fork_rng(devices=[]):  # torch's layers draw their weights from the global generator
        torch.default_generator.manual_seed(spec.seed)  # torch.manual_seed would seed GPUs, too
        backbone = BACKBONES.build(spec.backbone, spec.backbone_options, allow)
        channels_of(backbone)
        if _PLUS in spec.name:
            objective = _combined(spec, backbone, allow)
        else:
            objective = _registry_of(spec.name).build(spec.name, spec.options, allow, backbone=backbone)
    for part in objective.objectives.values() if isinstance(objective, Combined) else (objective,):
        if isinstance(part, Embedding):
            part.check_width()
    check_map(backbone, getattr(objective, "size_px", 64))
    if spec.frozen:
        for one in objective.backbones:
            one.requires_grad_(False)
    return objective


def _combined(spec: ObjectiveSpec, backbone: nn.Module, allow: Collection[str] | None) -> Objective:
    """Build several objectives on one backbone; their options are named `<objective>.<option>`."""
    names = spec.name.split(_PLUS)
    if len(set(names)) < len(names):
        raise InputError(f"{spec.name!r} names one twice; allowed are different objectives; leave one out")
    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    weights = {}
    for option, value in spec.options.items():
        name = next((name for name in names if option.startswith(f"{name}.")), "")
        if not name and option != "weights":
            raise InputError(
                f"{option} is no option of {spec.name!r}; allowed are weights, and those of each part as "
                f"{names[0]}.batch; change it"
            )
        if name:
            own[name][option.removeprefix(f"{name}.")] = value
        else:
            weights = {option: value}
    parts = {name: _registry_of(name).build(name, own[name], allow, backbone=backbone) for name in names}
    checked = check_options(spec.name, Combined, weights, {"parts": parts})
    combined = Combined(parts, **checked.passed)
    recorded = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.spec.options.items()}
    combined.spec = Spec(spec.name, {**recorded, "weights": list(combined.weights)})
    return combined


def _from_folder(spec: ObjectiveSpec) -> ObjectiveSpec:
    """Replace a backbone's folder by its name, its options and its weights."""
    path = checkpoint.newest(Path(spec.backbone))
    its = checkpoint.read(path, KIND).spec
    if spec.init or spec.backbone_options:
        raise InputError(
            f"backbone is {spec.backbone}, which has options and weights of its own, and others are given; "
            "leave init and backbone_options out"
        )
    if its.get("backbone") not in BACKBONES.names():
        raise InputError(
            f"the backbone of {spec.backbone} is {its.get('backbone')!r}; allowed are {', '.join(BACKBONES.names())}; "
            f"if you trust that code, give it as backbone, its options, and init {path}"
        )
    if not isinstance(options := its.get("backbone_options"), dict):
        raise CheckpointError(f"{path} says that its backbone's options are {options!r}; give another run's folder")
    return replace(spec, backbone=its["backbone"], backbone_options=options, init=str(path))


def _registry_of(name: str) -> Registry:
    for registry in REGISTRIES:
        if name in registry.names():
            return registry
    if ":" in name:  # a user's own class may be of any kind: this takes any objective
        return IMAGE_TASKS
    raise InputError(
        f"{name!r} is no embedding or pretext task; the nearest are {nearest(name, objective_names())}; "
        "choose one, or name your own class as package.module:Class"
    )


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str, target: str) -> None:
    """Load weights. Raises CheckpointError saying that those of `source` do not fit `target`."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"the weights of {source} do not fit {target}: {reason}; give the same name and options"
        ) from error
