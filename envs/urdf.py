"""What is read of URDF files."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np


def origin_of(element: ET.Element) -> np.ndarray:
    """Return the <origin> of a joint or visual as a matrix (4, 4): metres, and roll, pitch, yaw about fixed axes."""
    origin = element.find("origin")
    attributes = {} if origin is None else origin.attrib
    xyz, rpy = (np.array(attributes.get(key, "0 0 0").split(), float) for key in ("xyz", "rpy"))
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = yaw @ pitch @ roll, xyz
    return matrix
