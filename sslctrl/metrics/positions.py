"""Which numbers of a true state are positions."""

from __future__ import annotations

import re
from collections.abc import Sequence

_POSITION = re.compile(r"(.*_)?[xyz]")


def position_columns(names: Sequence[str]) -> list[int]:
    """Return the columns of the states that are positions, m: of hand_x and puck_z, and not of hand_vx or hand_yaw."""
    return [column for column, name in enumerate(names) if _POSITION.fullmatch(name)]
