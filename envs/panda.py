"""The Franka Panda under Cartesian control, with a cylindrical pusher or its own two-finger gripper."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from envs.kinematics import chain, rotation_down, solve
from envs.meshes import cylinder
from envs.panda_mesh import cache_dir, panda_folder, panda_links, write_cached
from envs.sim import Physical, Sim

NAME = "panda"
ARM = tuple(f"panda_joint{i}" for i in range(1, 8))
FINGERS = ("panda_finger_joint1", "panda_finger_joint2")
HOME_RAD = (0.0, 0.3, 0.0, -2.2, 0.0, 2.5, 0.785)
ARM_FORCES = (87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0)  # N m, the data sheet's limits
ARM_STRENGTH = {"pusher": 1.0, "gripper": 3.0}  # up and down needs it: these motors carry the arm as well
FINGER_FORCE_N = 40.0
FINGER_MAX_M = 0.04
REACH_M = 0.855  # from its base, the data sheet's
ARM_GAIN = {"pusher": 0.14, "gripper": 0.2}  # with .2, things that are pushed are squeezed into the tray's walls
FINGER_GAIN = 0.1
PUSHER_RADIUS_M = 0.022
PUSHER_LENGTH_M = 0.16
TIP_Z_M = {"pusher": 0.23, "gripper": 0.105}  # from the hand's frame down to the tool's tip
FINGER_SIDES = {"panda_leftfinger": 1, "panda_rightfinger": -1}
WRIST_KG_M2 = {"panda_link6": 4e-3, "panda_link7": 1e-3, "panda_link8": 1e-4, "panda_hand": 2e-3} | dict.fromkeys(
    ("panda_leftfinger", "panda_rightfinger", "panda_grasptarget"), 2e-5
)
PUSHER_COLOR = (0.25, 0.27, 0.30)


class Panda:
    """One arm in one world. Its tool points straight down; positions are those of the tool's tip, in metres."""

    def __init__(self, sim: Sim, tool: str) -> None:
        self.sim = sim
        self.tool = tool
        self._forces = tuple(ARM_STRENGTH[tool] * force for force in ARM_FORCES)
        meshes = dict(panda_links())
        if tool == "pusher":
            meshes["pusher"] = cylinder(PUSHER_RADIUS_M, PUSHER_LENGTH_M, color=PUSHER_COLOR)
        path = _urdf(tool)
        self._chain = chain(ET.parse(path).getroot(), ARM, "tip_joint")
        sim.add_urdf(NAME, path, ARM + FINGERS, meshes)
        if tool == "pusher":
            sim.set_friction(NAME, "pusher", Physical(friction=0.15))
        else:
            sim.gear(NAME, *FINGER_SIDES, force=FINGER_FORCE_N)
            for finger in FINGER_SIDES:
                sim.set_friction(NAME, finger, Physical(friction=1.5, spinning_friction=0.02))

    def reset(self, tip_m: Sequence[float] | np.ndarray, yaw_rad: float = 0.0, opening: float = 1.0) -> None:
        """Put the tip at ``tip_m`` (3,), at rest, the gripper ``opening`` between 0 (closed) and 1 (8 cm)."""
        finger = self._finger(opening)
        self.sim.set_joints(NAME, (*HOME_RAD, finger, finger))
        joints: Sequence[float] = HOME_RAD
        for _ in range(4):  # each call refines the last: from the home pose, one is not enough for the corners
            joints = self._solve(tip_m, yaw_rad)
            self.sim.set_joints(NAME, (*joints, finger, finger))
        self._drive(joints, finger)

    def move(self, tip_m: Sequence[float] | np.ndarray, yaw_rad: float = 0.0, opening: float = 1.0) -> None:
        """Set the motors' targets for the next control step so that the tip goes to ``tip_m`` (3,)."""
        self._drive(self._solve(tip_m, yaw_rad), self._finger(opening))

    def tip(self) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) in m and velocity (3,) in m/s of the tool's tip."""
        position, _, velocity = self.sim.link_pose(NAME, "tip")
        return position, velocity

    def yaw(self) -> float:
        """Angle of the gripper about the vertical, rad in [-pi, pi)."""
        x, y, _, _ = self.sim.link_pose(NAME, "tip")[1]
        return float((2 * np.arctan2(y, x) + np.pi) % (2 * np.pi) - np.pi)

    def opening(self) -> float:
        """Distance between the fingers over the largest one, 0 to 1."""
        return float(self.sim.joints(NAME)[-2:].mean() / FINGER_MAX_M)

    def opening_rate(self) -> float:
        """Change of :meth:`opening` per second."""
        return float(self.sim.joint_speeds(NAME)[-2:].mean() / FINGER_MAX_M)

    def _finger(self, opening: float) -> float:
        return PUSHER_RADIUS_M if self.tool == "pusher" else float(np.clip(opening, 0, 1)) * FINGER_MAX_M

    def _solve(self, tip_m: Sequence[float] | np.ndarray, yaw_rad: float) -> Sequence[float]:
        present = self.sim.joints(NAME)[:7]
        return solve(self._chain, present, np.array(HOME_RAD), np.array(tip_m), rotation_down(yaw_rad))

    def _drive(self, joints: Sequence[float], finger: float) -> None:
        self.sim.drive_joints(
            NAME,
            (*joints, finger, finger),
            (*self._forces, FINGER_FORCE_N, FINGER_FORCE_N),
            (ARM_GAIN[self.tool],) * 7 + (FINGER_GAIN,) * 2,
        )


def _urdf(tool: str) -> Path:
    """The Panda of pybullet_data without its meshes, finger pads as boxes, ``tool`` added; written to the cache.

    Without meshes a world is built in a quarter of the time; what is drawn comes from :mod:`envs.panda_mesh`.
    """
    tree = ET.parse(panda_folder() / "panda.urdf")
    root = tree.getroot()
    for link in root.findall("link"):
        for element in (*link.findall("visual"), *link.findall("collision")):
            link.remove(element)
        if tool == "gripper":
            _make_agile(link)
            if link.get("name") in FINGER_SIDES:
                side = FINGER_SIDES[link.attrib["name"]]
                _collision(link, "box", {"size": "0.02 0.012 0.054"}, (0, side * 0.006, 0.027))
    if tool == "pusher":
        pusher = _link(root, "pusher", "panda_hand", TIP_Z_M["pusher"] - PUSHER_LENGTH_M / 2, mass_kg=0.1)
        _collision(pusher, "cylinder", {"radius": str(PUSHER_RADIUS_M), "length": str(PUSHER_LENGTH_M)}, (0, 0, 0))
    _link(root, "tip", "panda_hand", TIP_Z_M[tool], mass_kg=0.001)
    text = ET.tostring(root)
    path = cache_dir() / f"panda-{tool}-{hashlib.sha256(text).hexdigest()[:12]}.urdf"
    if not path.exists() or path.read_bytes() != text:
        write_cached(path, lambda file: file.write(text))
    return path


def _make_agile(link: ET.Element) -> None:
    """Give the wrist's links plausible moments of inertia.

    The file has 0.1 kg m^2 for every link down to the fingers: with that the wrist turns and brakes too slowly.
    """
    inertia = link.find("inertial/inertia")
    if inertia is not None and link.get("name") in WRIST_KG_M2:
        for axis in ("ixx", "iyy", "izz"):
            inertia.set(axis, str(WRIST_KG_M2[link.attrib["name"]]))


def _link(root: ET.Element, name: str, parent: str, z_m: float, mass_kg: float) -> ET.Element:
    link = ET.SubElement(root, "link", name=name)
    inertial = ET.SubElement(link, "inertial")
    ET.SubElement(inertial, "mass", value=str(mass_kg))
    ET.SubElement(inertial, "inertia", ixx="1e-4", iyy="1e-4", izz="1e-4", ixy="0", ixz="0", iyz="0")
    joint = ET.SubElement(root, "joint", name=f"{name}_joint", type="fixed")
    ET.SubElement(joint, "parent", link=parent)
    ET.SubElement(joint, "child", link=name)
    ET.SubElement(joint, "origin", xyz=f"0 0 {z_m}", rpy="0 0 0")
    return link


def _collision(link: ET.Element, kind: str, size: dict[str, str], xyz: tuple[float, float, float]) -> None:
    collision = ET.SubElement(link, "collision")
    ET.SubElement(collision, "origin", xyz="{} {} {}".format(*xyz), rpy="0 0 0")
    ET.SubElement(ET.SubElement(collision, "geometry"), kind, size)
