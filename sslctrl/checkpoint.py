"""A checkpoint: a folder of safetensors and one JSON file that says what they are. Opening one runs no code."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sslctrl import durable
from sslctrl.errors import UNREADABLE, CheckpointError

FORMAT = "sslctrl-checkpoint-1"
ABOUT = "checkpoint.json"
WEIGHTS = "weights.safetensors"
TRAINING = "training.safetensors"
_KEEP = 2
_log = logging.getLogger(__name__)
_ADVICE = "use another checkpoint of the run, or train again"


class Saved(NamedTuple):
    """What a checkpoint holds."""

    spec: dict[str, Any]
    """What the object was built from: JSON."""
    tensors: dict[str, Tensor]
    """Its weights and buffers, on the CPU."""
    extra: dict[str, Any]
    """Anything else that was saved with it: JSON."""
    training: dict[str, Tensor]
    """What only going on with the training needs; empty unless asked for."""


def save(
    path: Path,
    kind: str,
    spec: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    extra: Mapping[str, Any],
    training: Mapping[str, Tensor] | None = None,
) -> None:
    """Publish a checkpoint folder: whole and on the disk when this returns; one that is there already is replaced.

    Raises StorageError where it cannot be written; then no half of it is left.
    """
    files = {WEIGHTS: _pack(tensors)}
    if training is not None:
        files[TRAINING] = _pack(training)
    about = {
        "format": FORMAT,
        "kind": kind,
        "spec": dict(spec),
        "extra": dict(extra),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    about = json.loads(json.dumps(about))  # keys as text, as they are read
    files[ABOUT] = json.dumps({**about, "digest": _digest(about)}, indent=1).encode()
    durable.make_folder(path.parent)
    durable.publish(path, files, replace=True)


def read(path: Path, kind: str, training: bool = False) -> Saved:
    """Load a checkpoint and verify every byte; `training` loads the optimiser's tensors too.

    Raises CheckpointError where it is missing, damaged or of another kind.
    """
    about = about_of(path)
    if about["kind"] != kind:
        raise CheckpointError(
            f"{path} is a checkpoint of kind {about['kind']!r}; allowed is {kind!r}; give one of that kind"
        )
    tensors = _unpack(path / WEIGHTS, about)
    return Saved(about["spec"], tensors, about["extra"], _unpack(path / TRAINING, about) if training else {})


def step_folder(run: Path, step: int) -> Path:
    """Return where a run keeps the checkpoint of a step."""
    return Path(run) / "checkpoints" / f"step-{step:08d}"


def save_step(
    run: Path,
    step: int,
    kind: str,
    spec: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    extra: Mapping[str, Any],
    training: Mapping[str, Tensor] | None = None,
) -> Path:
    """Publish a step's checkpoint as `save` does, drop all but the run's newest two, and return its folder."""
    path = step_folder(run, step)
    save(path, kind, spec, tensors, extra, training)
    for old in folders(run)[_KEEP:]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def newest_intact(run: Path, kind: str) -> tuple[Path, Saved] | None:
    """Return a run's newest checkpoint that verifies, and its folder; None in a run without one.

    Raises CheckpointError where there are some, and all are damaged.
    """
    for folder in (found := folders(run)):
        try:
            return folder, read(folder, kind, training=TRAINING in about_of(folder)["sha256"])
        except CheckpointError as error:
            _log.warning("passing over a checkpoint: %s", error)
    if found:
        raise CheckpointError(f"every checkpoint in {run / 'checkpoints'} is damaged; delete that folder to start over")
    return None


def folders(run: Path) -> list[Path]:
    """Return the checkpoints in a run's folder, the newest first."""
    return sorted((run / "checkpoints").glob(f"step-{'[0-9]' * 8}"), reverse=True)


def newest(path: Path) -> Path:
    """Return the newest checkpoint of a run's folder; a checkpoint's own folder as it is."""
    return next(iter(folders(path)), path)


def about_of(path: Path) -> dict[str, Any]:
    """Read only what a checkpoint says of itself: kind, spec, extra, sha256. Raises CheckpointError as `read` does."""
    file = path / ABOUT
    try:
        about = json.loads(file.read_bytes())
    except UNREADABLE as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) and not path.is_dir():
            there = folders(path.parents[1]) if path.parent.name == "checkpoints" else []
            advice = f"the newest there is {there[0]}" if there else "check the name"
            raise CheckpointError(
                f"there is no folder {path}; allowed is that of a run or of a checkpoint; {advice}"
            ) from error
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{file} cannot be read ({reason}); a checkpoint folder has one; {_ADVICE}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise CheckpointError(f"{file} is not of format {FORMAT!r}; give a checkpoint folder that sslctrl wrote")
    if about.pop("digest", None) not in (None, _digest(about)):
        raise CheckpointError(f"{file} does not match its own digest: it was edited or damaged; {_ADVICE}")
    wanted = {"kind": str, "spec": dict, "extra": dict, "sha256": dict}
    if wrong := [key for key, cls in wanted.items() if not isinstance(about.get(key), cls)]:
        raise CheckpointError(f"{file} lacks {wrong[0]!r}; it was edited or damaged; {_ADVICE}")
    return about


def _digest(about: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of weights, by which a run that builds on them knows them again."""
    return hashlib.sha256(_pack(tensors)).hexdigest()


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    # Cloned: safetensors refuses tensors that share memory (tied weights) or are not laid out contiguously.
    plain = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    return safetensors.torch.save(plain)


def _unpack(path: Path, about: Mapping[str, Any]) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != about["sha256"].get(path.name):
            raise CheckpointError(f"{path} does not match its sha256: it is cut or damaged; {_ADVICE}")
        return safetensors.torch.load(data)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {_ADVICE}") from error
