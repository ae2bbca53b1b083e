"""Wavefront OBJ files: vertices, faces and one diffuse colour a material."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from envs.meshes import GREY, Color, Mesh
from sslctrl.errors import InputError


def load_obj(path: Path | str, color: Color = GREY) -> Mesh:
    """Read a mesh; polygons become fans, and faces without a known material get ``color``. Textures are not read.

    Raises InputError when the file is missing or a line can't be read.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"mesh file {path} given; it does not exist; give the path of an .obj file")
    materials: dict[str, Color] = {}
    vertices: list[list[float]] = []
    faces: list[tuple[int, int, int]] = []
    colors: list[Color] = []
    current = color
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        try:
            if word == "v":
                x, y, z = (float(part) for part in rest.split()[:3])
                if not np.isfinite((x, y, z)).all():
                    raise ValueError("a coordinate is not finite")
                vertices.append([x, y, z])
            elif word == "f":
                corners = [_index(corner, len(vertices)) for corner in rest.split()]
                fan = [(corners[0], b, c) for b, c in pairwise(corners[1:])]
                faces += fan
                colors += [current] * len(fan)
            elif word == "usemtl":
                current = materials.get(rest.strip(), color)
            elif word == "mtllib":
                materials |= _load_mtl(path.parent / rest.strip())
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}, line {number}: {line!r} is not OBJ ({error}); export the mesh again") from error
    if not faces or max(map(max, faces)) >= len(vertices):
        raise InputError(f"{path} has {len(vertices)} vertices and no valid faces; export the mesh again as triangles")
    return Mesh(np.array(vertices, np.float32), np.array(faces, np.int32), np.array(colors, np.float32))


def _index(corner: str, count: int) -> int:
    """Zero-based vertex of a face's corner such as ``7``, ``7/1/2``, ``7//2`` or, counted from the end, ``-1``."""
    index = int(corner.partition("/")[0])
    if index == 0 or index < -count:
        raise ValueError(f"vertex {index} does not exist")
    return index - 1 if index > 0 else count + index


def _load_mtl(path: Path) -> dict[str, Color]:
    """Diffuse colours by material name; a missing file is an empty one, as in other readers."""
    colors: dict[str, Color] = {}
    name = ""
    for line in path.read_text(errors="replace").splitlines() if path.is_file() else ():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            name = rest.strip()
        elif word == "Kd":
            r, g, b = (float(x) for x in rest.split()[:3])
            colors[name] = (r, g, b)
    return colors
