"""PyBullet's own TinyRenderer behind the Renderer interface: the slow reference for silhouettes and depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.cameras import Camera, projection_matrix, view_matrix
from envs.looks import Look
from envs.meshes import Part
from envs.render import Images, check_request
from envs.sim import Sim


class TinyRenderer:
    """Draws each part in the mean colour of its faces, with TinyRenderer's own light: a Look changes nothing here."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.bodies = tuple(dict.fromkeys(part.body for part in parts))
        self._sim = Sim()
        self._names = [f"part{i}" for i in range(len(parts))]
        for name, part in zip(self._names, parts, strict=True):
            self._sim.add_visual(name, part.mesh)
        indices = [self._sim.bodies[name].id for name in self._names]
        self._body_of = np.full(max(indices) + 2, -1, np.int16)  # by pybullet's id; the last entry is id -1: nothing
        self._body_of[indices] = [self.bodies.index(part.body) for part in parts]

    def render(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> np.ndarray:
        """One picture per camera, uint8 (V, H, W, 3)."""
        return self.render_all(poses, cameras, size_px, look).rgb

    def render_all(
        self, poses: np.ndarray, cameras: Sequence[Camera], size_px: int | tuple[int, int], look: Look
    ) -> Images:
        """Colour, depth and segmentation."""
        from scipy.spatial.transform import Rotation  # late: few draw with this renderer

        height, width = check_request(poses, len(self._names), cameras, size_px)
        for name, pose in zip(self._names, poses, strict=True):
            self._sim.place(name, pose[:, 3].tolist(), Rotation.from_matrix(pose[:, :3]).as_quat().tolist())
        views = [self._view(camera, height, width) for camera in cameras]
        return Images(*(np.stack(images) for images in zip(*views, strict=True)))

    def _view(self, camera: Camera, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        projection = projection_matrix(camera, width / height)
        projection[:2, 2] += 1 / width, 1 / height  # it samples at a pixel's lower left corner
        view = view_matrix(camera).T.reshape(-1).tolist()
        rgba, buffer, index = self._sim.camera_image(view, projection.T.reshape(-1).tolist(), (height, width))
        near, far = camera.near_m, camera.far_m
        depth = far * near / (far - (far - near) * np.asarray(buffer, np.float32).reshape(height, width))
        rgb = np.asarray(rgba, np.uint8).reshape(height, width, 4)[:, :, :3]
        return rgb, depth, self._body_of[np.asarray(index).reshape(height, width)]
