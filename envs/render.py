"""Renderers: poses of all parts and cameras in, pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

from envs import raster
from envs.cameras import Camera, pixel_matrix
from envs.geometry import prepare
from envs.looks import Look
from envs.meshes import Part
from sslctrl.errors import InputError

MIN_PX, MAX_PX = 8, 4096


class Images(NamedTuple):
    """rgb uint8 (V, H, W, 3); depth float32 (V, H, W), m along the view, far_m where nothing is; segmentation
    int16 (V, H, W), index into the renderer's ``bodies``, -1 where nothing is.
    """

    rgb: np.ndarray
    depth: np.ndarray
    segmentation: np.ndarray


class Renderer(Protocol):
    """What draws a scene. ``poses`` float64 (P, 3, 4) are [R | t] of all parts' frames; ``size_px``: side or (H, W)."""

    bodies: tuple[str, ...]

    def render(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> np.ndarray:
        """One picture per camera, uint8 (V, H, W, 3)."""
        ...

    def render_all(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> Images:
        """Colour, depth and segmentation."""
        ...


class RasterRenderer:
    """The software rasteriser: all views in one compiled call on one thread. Not to be shared between threads."""

    def __init__(self, parts: Sequence[Part]) -> None:
        if not parts:
            raise InputError("no parts given; a renderer needs at least one mesh; add a body to the world first")
        self.bodies = tuple(dict.fromkeys(part.body for part in parts))
        self._geometry = prepare(parts)
        faces_per_part = np.diff(self._geometry.face_start)
        body = np.array([self.bodies.index(part.body) for part in parts], np.int16)
        self._body_of_face = np.append(np.repeat(body, faces_per_part), np.int16(-1))  # the last is face -1: nothing
        # one value a vertex (x, y, 1/depth, light) and one a face (which are turned to the camera)
        n, m = self._geometry.positions.shape[1], len(self._geometry.faces)
        types = ((n, np.int32), (n, np.int32), (n, np.float32), (n, np.float32), (m, np.int32))
        self._scratch = tuple(np.empty(size, kind) for size, kind in types)
        self._pixels = _buffers((0, 0, 0))
        self._look: Look | None = None
        self._paint = self._geometry.colors, np.zeros(3, np.float32), np.zeros(3)

    def render(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> np.ndarray:
        """One picture per camera, uint8 (V, H, W, 3). InputError for poses, cameras or looks that don't fit."""
        height, width = check_request(poses, len(self._geometry.spheres), cameras, size_px)
        poses = np.ascontiguousarray(poses, np.float64)
        matrices, planes, near, far = _views(tuple(cameras), height, width)
        colors, background, light = self._dress(look)
        if self._pixels[0].shape != (len(cameras), height, width):
            self._pixels = _buffers((len(cameras), height, width))
        out = np.empty((len(cameras), height, width, 3), np.uint8)
        g = self._geometry
        x, y, z, shade, front = self._scratch
        depth, face_of, light_of = self._pixels
        raster.render(
            g.positions, g.normals, g.vertex_start, g.faces, g.face_start, g.spheres, poses, matrices, planes, near,
            far, light, float(look.ambient), colors, background, x, y, z, shade, front, depth, face_of, light_of, out,
        )  # fmt: skip
        return out

    def render_all(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> Images:
        """Colour, depth and segmentation."""
        rgb = self.render(poses, cameras, size_px, look)
        inverse, face_of, _ = self._pixels
        return Images(rgb, 1 / inverse, self._body_of_face[face_of])

    def _dress(self, look: Look) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Face colours (m, 3) and background (3,) in [0, 255], and the unit vector (3,) towards the light."""
        if look is not self._look:
            check_look(look, self.bodies)
            colors = self._geometry.colors * np.float32(255)
            body_of_face = self._body_of_face[:-1]
            for body, tint in look.tints.items():
                colors[body_of_face == self.bodies.index(body)] *= np.asarray(tint, np.float32)
            for body, color in look.colors.items():
                colors[body_of_face == self.bodies.index(body)] = np.asarray(color, np.float32) * 255
            light = np.asarray(look.light, np.float64)
            background = np.asarray(look.background, np.float32) * 255
            self._look, self._paint = look, (colors, background, light / np.linalg.norm(light))
        return self._paint


def check_request(
    poses: np.ndarray, parts: int, cameras: Sequence[Camera], size_px: int | tuple[int, int]
) -> tuple[int, int]:
    """Height and width in pixels; raises InputError for anything that can't be drawn."""
    height, width = check_size(size_px)
    if not cameras:
        raise InputError("no cameras given; name one or more of envs.cameras.rig")
    if np.shape(poses) != (parts, 3, 4):
        raise InputError(f"poses of shape {np.shape(poses)} given; this scene takes ({parts}, 3, 4): [R | t] a part")
    if not np.isfinite(poses).all():
        bad = np.flatnonzero(~np.isfinite(poses).all(axis=(1, 2))).tolist()
        raise InputError(f"poses of parts {bad} are not finite; reset the world, or check what moved these bodies")
    return height, width


def check_size(size_px: Any) -> tuple[int, int]:
    """Return height and width; raise InputError unless `size_px` is one whole number or a pair, within the limits."""
    pair = size_px if isinstance(size_px, tuple | list) else (size_px, size_px)
    if len(pair) != 2 or not all(isinstance(side, int | np.integer) and MIN_PX <= side <= MAX_PX for side in pair):
        raise InputError(
            f"size {' x '.join(map(str, pair))} px given; a side is a whole number, {MIN_PX} to {MAX_PX}; try 64"
        )
    return int(pair[0]), int(pair[1])


def check_look(look: Look, bodies: Sequence[str]) -> None:
    """Raise InputError for a look that names unknown bodies or holds numbers out of range."""
    unknown = [body for body in (*look.colors, *look.tints) if body not in bodies]
    if unknown:
        raise InputError(f"look colours {', '.join(unknown)}; this scene has {', '.join(bodies)}; use one of these")
    triples = np.array([*look.colors.values(), *look.tints.values(), look.background], np.float64)
    if not (np.isfinite(triples).all() and triples.min() >= 0 and triples.max() <= 1 and 0 <= look.ambient <= 1):
        raise InputError(f"{look} given; colours, tints and ambient lie between 0 and 1; change what is outside")
    if not (np.isfinite(look.light).all() and np.linalg.norm(look.light) > 0):
        raise InputError(f"light {look.light} given; it needs a finite direction of non-zero length; e.g. (0, 0, 1)")


@lru_cache(maxsize=64)
def _views(
    cameras: tuple[Camera, ...], height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixel matrices (V, 3, 4), the four side planes of each view (V, 4, 4), near and far (V,)."""
    matrices = np.stack([pixel_matrix(camera, height, width) for camera in cameras])
    x, y, w = matrices.transpose(1, 0, 2)
    planes = np.stack([x, width * w - x, y, height * w - y], axis=1)
    planes /= np.linalg.norm(planes[:, :, :3], axis=2, keepdims=True)
    near, far = (np.array([getattr(camera, field) for camera in cameras], np.float64) for field in ("near_m", "far_m"))
    return matrices, planes, near, far


def _buffers(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per pixel: 1/depth, face, light."""
    return np.empty(shape, np.float32), np.empty(shape, np.int32), np.empty(shape, np.float32)
