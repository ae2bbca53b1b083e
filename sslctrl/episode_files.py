"""One recorded episode as files: five arrays, two more where they were recorded, and a `meta.json` with their sizes and
hashes. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sslctrl.clips import Episode
from sslctrl.errors import UNREADABLE, DataError, InputError

FORMAT = "sslctrl-episode-1"
META = "meta.json"
ARRAYS = ("frames", "state", "proprio", "action", "reward")
OPTIONAL = ("depth", "pursued")
"""Arrays that an episode may lack."""
_MAPPED = ("frames", "depth")
_PICTURES = (*_MAPPED, "pursued")
_OURS = ("format", "files", "digest")  # keys of meta.json that are not the recorder's
_ADVICE = "collect the episode again, or delete its folder"


def encode(episode: Episode) -> dict[str, bytes]:
    """Return the files of an episode by name. Raises InputError naming what is not as `Episode` says."""
    meta = _checked_meta(episode)
    files = {}
    for name in _recorded(episode):
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(getattr(episode, name)), allow_pickle=False)
        files[f"{name}.npy"] = buffer.getvalue()
    meta["format"] = FORMAT
    meta["files"] = {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in files.items()}
    meta["digest"] = _sha256(_canonical(meta))
    return {**files, META: json.dumps(meta, indent=1).encode()}


def load_meta(folder: Path) -> dict[str, Any]:
    """Read `meta.json` as it lies on the disk. Raises DataError where it is missing, damaged or of another format."""
    path = folder / META
    try:
        meta = json.loads(path.read_bytes())
        digest = _sha256(_canonical({key: value for key, value in meta.items() if key != "digest"}))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{folder} has no {META}: it is no episode; give a folder that collect recorded, of episodes alone"
        ) from error
    except (*UNREADABLE, AttributeError) as error:
        raise unreadable(path, error) from error
    if meta.get("format") != FORMAT:
        raise DataError(f"{path} is of format {meta.get('format')!r}; allowed is {FORMAT!r}; record the episode anew")
    if digest != meta.get("digest"):
        raise DataError(f"{path} does not match its own digest: it was edited or damaged; {_ADVICE}")
    files = meta.get("files")
    if not isinstance(files, dict) or not all(isinstance(about, dict) for about in files.values()):
        raise DataError(f"{path} does not name the episode's files; {_ADVICE}")
    if problem := _meta_problem(meta):
        raise DataError(f"{path}: {problem}; {_ADVICE}")
    return meta


def recorder_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `meta.json` that the recorder gave."""
    return {key: value for key, value in meta.items() if key not in _OURS}


def arrays_of(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of an episode's arrays."""
    return (*ARRAYS, *(name for name in OPTIONAL if f"{name}.npy" in meta["files"]))


def load_array(folder: Path, name: str, meta: Mapping[str, Any]) -> np.ndarray:
    """Return one array, read-only; frames and depth memory-mapped. Raises DataError for a missing or damaged file."""
    path = folder / f"{name}.npy"
    try:
        wanted = meta["files"][path.name]["bytes"]
        found = path.stat().st_size
        if found != wanted:
            raise DataError(f"{path} has {found} bytes; its meta.json says {wanted}: it is damaged; {_ADVICE}")
        if name in _MAPPED:
            array = np.lib.format.open_memmap(path, mode="r").view(np.ndarray)  # a memmap indexes more slowly
        else:
            with open(path, "rb") as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            array.flags.writeable = False
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    if problem := _problem(name, array, len(meta["cameras"]), meta["length"]):
        raise DataError(f"{path} {problem}; {_ADVICE}")
    return array


def damaged(folder: Path) -> list[str]:
    """Return what is wrong with an episode's files, hashing every byte; an empty list where nothing is."""
    try:
        meta = load_meta(folder)
    except DataError as error:
        return [str(error)]
    problems = []
    for name in arrays_of(meta):
        try:
            load_array(folder, name, meta)
            with open(folder / f"{name}.npy", "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except (DataError, OSError) as error:
            problems.append(str(error))
            continue
        if digest != meta["files"][f"{name}.npy"].get("sha256"):
            problems.append(f"{folder / name}.npy does not match its sha256: bytes were changed; {_ADVICE}")
    return problems


def _checked_meta(episode: Episode) -> dict[str, Any]:
    if not isinstance(episode.meta, Mapping):
        raise InputError(f"the episode's meta is {episode.meta!r}; allowed is a dict; give cameras and success")
    for name in _recorded(episode):
        if not isinstance(array := getattr(episode, name), np.ndarray):
            raise InputError(f"the episode's {name} is a {type(array).__name__}; allowed is a NumPy array; convert it")
    meta = dict(episode.meta)
    if taken := [key for key in _OURS if key in meta]:
        raise InputError(f"meta has the key {taken[0]!r}, which the store writes itself; use another name")
    meta.setdefault("length", len(episode.action))
    if problem := _meta_problem(meta):
        raise InputError(f"the episode's {problem}; set it so")
    for name in _recorded(episode):
        if problem := _problem(name, getattr(episode, name), len(meta["cameras"]), meta["length"]):
            raise InputError(f"the episode's {name} {problem}; record it so")
    try:
        return json.loads(json.dumps(meta, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"meta is not JSON ({error}); allowed are str, int, float, bool, list, dict; convert it"
        ) from error


def _recorded(episode: Episode) -> tuple[str, ...]:
    return (*ARRAYS, *(name for name in OPTIONAL if getattr(episode, name) is not None))


def _meta_problem(meta: Mapping[str, Any]) -> str | None:
    """Say which of the keys that every episode needs is not as it should be."""
    cameras, success, length = meta.get("cameras"), meta.get("success"), meta.get("length")
    if not isinstance(cameras, list) or not cameras or not all(isinstance(name, str) for name in cameras):
        return f"meta['cameras'] is {cameras!r}; allowed is a list of names, one a view"
    if len(set(cameras)) < len(cameras):
        return f"meta['cameras'] is {cameras!r}; allowed are different names"
    if not isinstance(success, bool):
        return f"meta['success'] is {success!r}; allowed is True or False"
    if type(length) is not int or length < 1:
        return f"meta['length'] is {length!r}; allowed is the number of control steps, 1 or more"
    return None


def _problem(name: str, array: np.ndarray, views: int, length: int) -> str | None:
    """Say how an array is not what `Episode` promises for V views and T = `length` steps."""
    steps = length if name in ("action", "reward") else length + 1
    pictures = (views, steps, None, None)
    shapes = {"frames": (*pictures, 3), "depth": pictures, "pursued": (None, None, 3), "reward": (steps,)}
    shape = shapes.get(name, (steps, None))
    dtype = {"frames": np.uint8, "depth": np.uint16, "pursued": np.uint8}.get(name, np.float32)
    fits = array.ndim == len(shape) and all(want in (None, got) for got, want in zip(array.shape, shape, strict=False))
    if array.dtype != dtype or not fits or (name in _PICTURES and 0 in array.shape):
        wanted = str(shape).replace("None", "any")
        return f"is {array.dtype} {array.shape}; allowed is {np.dtype(dtype)} {wanted} for length {length}"
    if dtype == np.float32 and not math.isfinite(float(array.sum())) and not np.isfinite(array).all():
        return "has values that are not finite; allowed are finite numbers"
    return None


def _canonical(meta: Mapping[str, Any]) -> bytes:
    return json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def unreadable(path: Path, error: Exception) -> DataError:
    """Say in one line what could not be read, and what to do."""
    reason = str(getattr(error, "strerror", None) or f"{type(error).__name__}: {error}").replace("\n", " ")
    whole = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)  # as far as anyone knows
    advice = "see to the disk, your rights and the limit of open files (ulimit -n)" if whole else _ADVICE
    return DataError(f"{path} cannot be read ({reason}); {advice}")
