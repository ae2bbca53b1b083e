"""The Panda's visual meshes, decimated to a few hundred triangles a link and cached.

The sources are the files that pybullet_data ships (102,000 triangles together); nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple

import fast_simplification
import numpy as np

from envs.meshes import Color, Mesh, merge, moved
from envs.obj import load_obj
from envs.urdf import origin_of
from sslctrl.errors import UNREADABLE, InputError, StorageError

FACES_PER_LINK = 300
MIN_FACES = 12  # of a material: fewer would open holes in small parts
WELD_M = 1e-5
VERSION = 1  # of this file's arithmetic: counts into the cache's key
WHITE: Color = (0.92, 0.93, 0.94)  # of links whose file names no material


class Visual(NamedTuple):
    """One <visual> of a URDF: a mesh file and its origin in the link's frame."""

    link: str
    path: Path
    rotation: np.ndarray
    translation_m: np.ndarray


def cache_dir() -> Path:
    """Where derived files are kept: ``$SSLCTRL_CACHE``, else ``~/.cache/sslctrl``. It may not exist yet."""
    return Path(os.environ.get("SSLCTRL_CACHE") or Path.home() / ".cache" / "sslctrl")


def panda_folder() -> Path:
    """The folder franka_panda of pybullet_data. Raises InputError where that is not installed."""
    spec = importlib.util.find_spec("pybullet_data")  # found, not imported: importing it warns
    if spec is None or not spec.submodule_search_locations:
        raise InputError("package pybullet_data not found; it holds the Panda's meshes; pip install pybullet")
    return Path(spec.submodule_search_locations[0]) / "franka_panda"


@cache
def panda_links() -> MappingProxyType[str, Mesh]:
    """Every drawn link's mesh by link name (``panda_link0`` to ``panda_rightfinger``), in its URDF link frame.

    Read from the cache, or made (seconds) and put there. The arrays are shared and read-only.
    """
    visuals = _visuals(panda_folder())
    path = cache_dir() / f"panda-{_key(visuals)}.npz"
    links = _read(path)
    if links is None:
        links = _decimated(visuals)
        arrays = {f"{name}.{field}": getattr(mesh, field) for name, mesh in links.items() for field in Mesh._fields}
        write_cached(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
    for mesh in links.values():
        for array in mesh:
            array.flags.writeable = False
    return MappingProxyType(links)


# -- sources -----------------------------------------------------------------------------------------------------------
def _visuals(folder: Path) -> list[Visual]:
    visuals = []
    for link in ET.parse(folder / "panda.urdf").getroot().findall("link"):
        for visual in link.findall("visual"):
            geometry = visual.find("geometry/mesh")
            if geometry is None:
                continue
            path = folder / geometry.attrib["filename"].removeprefix("package://")
            origin = origin_of(visual)
            visuals.append(Visual(link.attrib["name"], path, origin[:3, :3], origin[:3, 3]))
    return visuals


def _key(visuals: list[Visual]) -> str:
    """Hash of all that the result depends on: source files, origins, parameters and the decimator's version."""
    digest = hashlib.sha256()
    tool = importlib.metadata.version("fast_simplification")
    digest.update(repr((VERSION, FACES_PER_LINK, MIN_FACES, WELD_M, WHITE, tool)).encode())
    for visual in visuals:
        digest.update(f"{visual.link}|{visual.rotation.tolist()}|{visual.translation_m.tolist()}|".encode())
        for path in (visual.path, visual.path.with_suffix(".mtl")):
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()[:16]


# -- decimation --------------------------------------------------------------------------------------------------------
def _decimated(visuals: list[Visual]) -> dict[str, Mesh]:
    small: dict[Path, Mesh] = {}
    parts: dict[str, list[Mesh]] = {}
    for visual in visuals:
        if visual.path not in small:
            small[visual.path] = decimate(load_obj(visual.path, WHITE), FACES_PER_LINK)
        parts.setdefault(visual.link, []).append(moved(small[visual.path], visual.translation_m, visual.rotation))
    return {link: merge(meshes) for link, meshes in parts.items()}


def decimate(shape: Mesh, faces: int) -> Mesh:
    """About ``faces`` triangles, shared out among the mesh's colours by area; each colour is simplified on its own."""
    colors, group = np.unique(shape.colors.round(2), axis=0, return_inverse=True)
    a, b, c = shape.vertices[shape.faces].transpose(1, 0, 2)
    areas = np.bincount(group.reshape(-1), np.linalg.norm(np.cross(b - a, c - a), axis=1))
    targets = np.maximum(MIN_FACES, np.rint(faces * areas / areas.sum())).astype(int)
    parts = []
    for i, target in enumerate(targets):
        points, triangles = _welded(shape.vertices, shape.faces[group.reshape(-1) == i])
        if len(triangles) > target:
            simple = fast_simplification.simplify(points, triangles, target_count=int(target))
            points, triangles = _welded(np.asarray(simple[0], np.float32), np.asarray(simple[1], np.int32))
        parts.append(Mesh(points, triangles, np.tile(colors[i], (len(triangles), 1))))
    return merge(parts)


def _welded(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The used vertices, those within WELD_M joined, and the faces that still have three corners."""
    grid = np.rint(vertices[faces.reshape(-1)] / WELD_M).astype(np.int64)
    _, first, inverse = np.unique(grid, axis=0, return_index=True, return_inverse=True)
    corners = inverse.reshape(-1, 3).astype(np.int32)
    whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    return vertices[faces.reshape(-1)[first]], corners[whole]


# -- cache -------------------------------------------------------------------------------------------------------------
def _read(path: Path) -> dict[str, Mesh] | None:
    """The cached links, or None where there are none or the file is damaged (it is then made again)."""
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as file:
            names = [name.removesuffix(".faces") for name in file.files if name.endswith(".faces")]
            return {name: Mesh(*(file[f"{name}.{field}"] for field in Mesh._fields)) for name in names}
    except (*UNREADABLE, zipfile.BadZipFile):
        return None


def write_cached(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let a file of the cache be written, whole or not at all. Raises StorageError."""
    partial = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            write(file)
        partial.replace(path)  # of several processes the last wins; all wrote the same bytes
    except OSError as error:
        raise StorageError(
            f"cannot write the cache {path} ({error.strerror}); set SSLCTRL_CACHE to a folder that can be written"
        ) from error
