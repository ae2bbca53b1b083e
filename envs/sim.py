"""The physics: the only module that imports pybullet, and the only holder of a physics client."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pybullet
from numba import njit

from envs.meshes import Mesh, Part
from sslctrl.errors import InputError

IDENTITY_XYZW = (0.0, 0.0, 0.0, 1.0)
PARK_M = 5.0  # where bodies wait, far from everything and from each other, while contacts are flushed


class Timing(NamedTuple):
    """Physics per control step: ``substeps`` of ``timestep_s`` seconds."""

    timestep_s: float = 1 / 240
    substeps: int = 10

    @property
    def control_dt_s(self) -> float:
        """Seconds of simulated time in one control step."""
        return self.timestep_s * self.substeps


PANDA_GYM_TIMING = Timing(1 / 500, 20)


class Shape(NamedTuple):
    """A collision primitive: ``kind`` is plane, box, cylinder (axis z), sphere or hull; ``size`` its numbers in metres.

    Sizes: plane (), box half extents (x, y, z), cylinder (radius, height), sphere (radius,); hull: ``points`` (n, 3).
    """

    kind: str
    size: tuple[float, ...] = ()
    position_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    points: np.ndarray | None = None


class Physical(NamedTuple):
    """How a body moves: mass (0 = fixed), Coulomb friction coefficients and restitution."""

    mass_kg: float = 0.0
    friction: float = 1.0
    spinning_friction: float = 0.001
    rolling_friction: float = 0.0
    restitution: float = 0.0


class Body(NamedTuple):
    """One loaded body: its pybullet id and the joints that are driven."""

    id: int
    joints: tuple[int, ...]
    links: dict[str, int]
    fixed: bool


def _disconnect(client: int) -> None:
    with contextlib.suppress(pybullet.error):
        pybullet.disconnect(client)


class Sim:
    """A physics world of named bodies.

    Everything is loaded once, when the world is built: a reset moves bodies and loads or removes none, which leaks.
    With the simple broadphase, ``deterministicOverlappingPairs`` and :meth:`park` a reset is bit-equal to a new world.
    """

    def __init__(self, timing: Timing = Timing()) -> None:  # noqa: B008 - an immutable tuple
        self.timing = timing
        self.bodies: dict[str, Body] = {}
        self.parts: list[Part] = []
        self._client = pybullet.connect(pybullet.DIRECT)
        self._free = weakref.finalize(self, _disconnect, self._client)
        # The default broadphase is a tree whose shape depends on history; so, once several bodies touch, do the order
        # of contacts and the last bits of their forces. This one compares all pairs: as fast for a few dozen bodies.
        pybullet.resetSimulation(pybullet.RESET_USE_SIMPLE_BROADPHASE, physicsClientId=self._client)
        self._poses = np.zeros((0, 3, 4))
        self._readings: list[
            tuple[int, list[int]]
        ] = []  # what part_poses reads: a body and its links, or its base if none
        self._rows = np.zeros(0, np.intp)  # and which parts these are
        pybullet.setGravity(0, 0, -9.81, physicsClientId=self._client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=timing.timestep_s, deterministicOverlappingPairs=1, physicsClientId=self._client
        )

    def __reduce__(self) -> NoReturn:
        raise InputError("a world was to be copied; physics cannot be; make another and reset it with the same seed")

    def close(self) -> None:
        """Free the physics client, as happens to a world that nobody holds; a second call does nothing."""
        self._free()
        self._client = -1

    # -- building ----------------------------------------------------------------------------------------------------
    def add(self, name: str, shapes: Sequence[Shape], physical: Physical, mesh: Mesh | None) -> None:
        """Add a rigid body made of collision ``shapes``, shown as ``mesh`` (body frame, metres; None = never drawn)."""
        index = pybullet.createMultiBody(
            baseMass=physical.mass_kg,
            baseCollisionShapeIndex=self._collision(shapes) if shapes else -1,
            physicsClientId=self._client,
        )
        self._register(name, index, (), fixed=physical.mass_kg == 0)
        self._set_dynamics(index, -1, physical)
        if mesh is not None:
            self._add_part(Part(name, -1, mesh))

    def add_urdf(self, name: str, path: Path, joints: Sequence[str], meshes: Mapping[str, Mesh]) -> None:
        """Load a fixed-base robot; ``joints`` are driven, in order; ``meshes`` by link name are drawn."""
        index = pybullet.loadURDF(
            str(path), useFixedBase=True, flags=pybullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=self._client
        )
        infos = [
            pybullet.getJointInfo(index, j, physicsClientId=self._client)
            for j in range(pybullet.getNumJoints(index, physicsClientId=self._client))
        ]
        by_joint = {info[1].decode(): info[0] for info in infos}
        self._register(name, index, tuple(by_joint[j] for j in joints), fixed=True)
        links = self.bodies[name].links
        links |= {info[12].decode(): info[0] for info in infos}
        for link, mesh in meshes.items():
            self._add_part(Part(name, links.get(link, -1), mesh))

    def set_friction(self, name: str, link: str, physical: Physical) -> None:
        """Set the friction of one link of a loaded robot."""
        self._set_dynamics(self.bodies[name].id, self.bodies[name].links[link], physical)

    def gear(self, name: str, first: str, second: str, force: float) -> None:
        """Make two links' joints move alike, as the fingers of a parallel gripper do, by at most ``force`` (N)."""
        body = self.bodies[name]
        constraint = pybullet.createConstraint(
            body.id, body.links[first], body.id, body.links[second], pybullet.JOINT_GEAR,
            (1, 0, 0), (0, 0, 0), (0, 0, 0), physicsClientId=self._client,
        )  # fmt: skip
        pybullet.changeConstraint(constraint, gearRatio=-1, erp=0.1, maxForce=force, physicsClientId=self._client)

    def _collision(self, shapes: Sequence[Shape]) -> int:
        kinds = {
            "plane": lambda s: {"shapeType": pybullet.GEOM_PLANE},
            "box": lambda s: {"shapeType": pybullet.GEOM_BOX, "halfExtents": s.size},
            "cylinder": lambda s: {"shapeType": pybullet.GEOM_CYLINDER, "radius": s.size[0], "height": s.size[1]},
            "sphere": lambda s: {"shapeType": pybullet.GEOM_SPHERE, "radius": s.size[0]},
            "hull": lambda s: {"shapeType": pybullet.GEOM_MESH, "vertices": np.asarray(s.points).tolist()},
        }
        if len(shapes) == 1 and shapes[0].position_m == (0.0, 0.0, 0.0):
            return pybullet.createCollisionShape(**kinds[shapes[0].kind](shapes[0]), physicsClientId=self._client)
        return pybullet.createCollisionShapeArray(
            shapeTypes=[kinds[s.kind](s)["shapeType"] for s in shapes],
            halfExtents=[s.size if s.kind == "box" else (0, 0, 0) for s in shapes],
            radii=[s.size[0] if s.kind in ("cylinder", "sphere") else 0 for s in shapes],
            lengths=[s.size[1] if s.kind == "cylinder" else 0 for s in shapes],
            collisionFramePositions=[s.position_m for s in shapes],
            physicsClientId=self._client,
        )

    def _register(self, name: str, index: int, joints: tuple[int, ...], fixed: bool) -> None:
        if name in self.bodies:
            raise ValueError(f"body {name!r} exists already; every body of a world has a name of its own")
        self.bodies[name] = Body(index, joints, {}, fixed)

    def _set_dynamics(self, index: int, link: int, physical: Physical) -> None:
        pybullet.changeDynamics(
            index,
            link,
            lateralFriction=physical.friction,
            spinningFriction=physical.spinning_friction,
            rollingFriction=physical.rolling_friction,
            restitution=physical.restitution,
            linearDamping=0.04,
            angularDamping=0.04,
            activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            physicsClientId=self._client,
        )

    def _add_part(self, part: Part) -> None:
        body = self.bodies[part.body]
        if part.link >= 0 or not body.joints:  # a robot's base stands at the origin; every other body is read
            self._rows = np.append(self._rows, len(self.parts))
            if part.link < 0 or not self._readings or self._readings[-1][0] != body.id:
                self._readings.append((body.id, []))
            if part.link >= 0:
                self._readings[-1][1].append(part.link)
        self.parts.append(part)
        self._poses = np.concatenate([self._poses, np.eye(4)[None, :3]])

    # -- moving ------------------------------------------------------------------------------------------------------
    def step(self) -> None:
        """Advance one control step."""
        for _ in range(self.timing.substeps):
            pybullet.stepSimulation(physicsClientId=self._client)

    def park(self) -> None:
        """Forget every contact, so that no history leaks into a reset: bodies apart, robots up, one physics step."""
        free = [name for name, body in self.bodies.items() if not body.fixed]
        for i, name in enumerate(free):
            self.place(name, (PARK_M + i, PARK_M, PARK_M))
        for name, body in self.bodies.items():
            if body.joints:
                self.set_joints(name, (0.0,) * len(body.joints))
        pybullet.stepSimulation(physicsClientId=self._client)

    def place(self, name: str, position_m: Sequence[float], orientation_xyzw: Sequence[float] = IDENTITY_XYZW) -> None:
        """Put a body somewhere, at rest."""
        index = self.bodies[name].id
        pybullet.resetBasePositionAndOrientation(index, position_m, orientation_xyzw, physicsClientId=self._client)
        pybullet.resetBaseVelocity(index, (0, 0, 0), (0, 0, 0), physicsClientId=self._client)

    def set_joints(self, name: str, positions: Sequence[float]) -> None:
        """Put a robot's driven joints at ``positions`` (rad or m), at rest."""
        body = self.bodies[name]
        for joint, position in zip(body.joints, positions, strict=True):
            pybullet.resetJointState(body.id, joint, position, 0.0, physicsClientId=self._client)

    def drive_joints(
        self, name: str, targets: Sequence[float], forces: Sequence[float], gains: Sequence[float]
    ) -> None:
        """Position control: ``targets`` (rad, m) of the driven joints, ``forces`` (N m, N), ``gains``."""
        body = self.bodies[name]
        pybullet.setJointMotorControlArray(
            body.id,
            body.joints,
            pybullet.POSITION_CONTROL,
            targetPositions=targets,
            forces=forces,
            positionGains=gains,
            physicsClientId=self._client,
        )

    # -- reading -----------------------------------------------------------------------------------------------------
    def pose(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) in m and orientation (4,) xyzw of a body."""
        position, orientation = pybullet.getBasePositionAndOrientation(
            self.bodies[name].id, physicsClientId=self._client
        )
        return np.array(position), np.array(orientation)

    def velocity(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Linear (3,) in m/s and angular (3,) in rad/s velocity of a body."""
        linear, angular = pybullet.getBaseVelocity(self.bodies[name].id, physicsClientId=self._client)
        return np.array(linear), np.array(angular)

    def joints(self, name: str) -> np.ndarray:
        """Positions (J,) of the driven joints, rad or m."""
        body = self.bodies[name]
        states = pybullet.getJointStates(body.id, body.joints, physicsClientId=self._client)
        return np.array([state[0] for state in states])

    def joint_speeds(self, name: str) -> np.ndarray:
        """Velocities (J,) of the driven joints, rad/s or m/s."""
        body = self.bodies[name]
        states = pybullet.getJointStates(body.id, body.joints, physicsClientId=self._client)
        return np.array([state[1] for state in states])

    def link_pose(self, name: str, link: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Position (3,) m, orientation (4,) xyzw and linear velocity (3,) m/s of a link's frame."""
        body = self.bodies[name]
        state = pybullet.getLinkState(body.id, body.links[link], 1, 1, physicsClientId=self._client)
        return np.array(state[4]), np.array(state[5]), np.array(state[6])

    def touching(self, first: str, second: str) -> bool:
        """Whether two bodies are in contact now."""
        a, b = self.bodies[first].id, self.bodies[second].id
        return bool(pybullet.getContactPoints(a, b, physicsClientId=self._client))

    def part_poses(self) -> np.ndarray:
        """[R | t] of every part's link frame, float64 (P, 3, 4), in the order of ``parts``; a new array every time."""
        positions, quaternions = [], []
        for index, links in self._readings:
            if links:
                states = pybullet.getLinkStates(index, links, 0, 1, physicsClientId=self._client)
                positions += [state[4] for state in states]
                quaternions += [state[5] for state in states]
            else:
                position, quaternion = pybullet.getBasePositionAndOrientation(index, physicsClientId=self._client)
                positions.append(position)
                quaternions.append(quaternion)
        poses = self._poses.copy()
        fill_matrices(poses, self._rows, np.array(positions), np.array(quaternions))
        return poses

    def camera_image(self, view: Sequence[float], projection: Sequence[float], size_px: tuple[int, int]) -> tuple:
        """PyBullet's own TinyRenderer: rgba, depth buffer, segmentation (body id) for 4 x 4 column-major matrices."""
        height, width = size_px
        return pybullet.getCameraImage(
            width, height, view, projection, shadow=0, renderer=pybullet.ER_TINY_RENDERER, physicsClientId=self._client
        )[2:]

    def add_visual(self, name: str, mesh: Mesh) -> None:
        """Add a body that is only drawn by :meth:`camera_image`, in the mean colour of its faces."""
        rgba = (*mesh.colors.mean(axis=0).tolist(), 1.0)
        visual = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=mesh.vertices.tolist(),
            indices=mesh.faces.reshape(-1).tolist(),
            rgbaColor=rgba,
            physicsClientId=self._client,
        )
        index = pybullet.createMultiBody(0, baseVisualShapeIndex=visual, physicsClientId=self._client)
        self._register(name, index, (), fixed=True)


@njit(cache=True, error_model="numpy")  # as numpy expressions on a dozen rows it took 30 times as long
def fill_matrices(poses, rows, positions, quaternions_xyzw):
    """Write [R | t] of positions (N, 3) and unit quaternions (N, 4) into ``rows`` (N,) of poses (P, 3, 4)."""
    for i in range(len(rows)):
        x, y, z, w = quaternions_xyzw[i]
        out = poses[rows[i]]
        out[0, 0], out[0, 1], out[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
        out[1, 0], out[1, 1], out[1, 2] = 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
        out[2, 0], out[2, 1], out[2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
        out[:, 3] = positions[i]
