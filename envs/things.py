"""The catalogue of objects to grasp: shapes in colours, in sets that training sees and never sees."""

from __future__ import annotations

import colorsys
from typing import NamedTuple

import numpy as np

from envs import palette
from envs.meshes import Color, Mesh
from envs.shapes import shape

SIZE_M = 0.05
TRAIN_SHAPES = ("bar", "cross", "cube", "cylinder", "disc", "hexagon", "slab", "tee")
HELDOUT_SHAPES = ("half_cylinder", "star", "triangle")
TRAIN_HUES = {"red": 0.0, "lime": 0.20, "green": 0.33, "blue": 0.61, "pink": 0.87}
HELDOUT_HUES = dict(zip(("amber", "teal", "violet"), palette.HELDOUT_HUES, strict=True))
HELDOUT_WITHIN = 0.04  # of a held-out hue, nothing is trained on
GRIP_RAD = {"triangle": np.pi / 2, "star": np.pi / 2}  # the others are gripped across their y axis


class Thing(NamedTuple):
    """One object: a shape in a colour."""

    color: str
    shape: str

    @property
    def name(self) -> str:
        """Its body's name, e.g. red_cube."""
        return f"{self.color}_{self.shape}"

    @property
    def rgb(self) -> Color:
        """Its colour, (r, g, b) in [0, 1]."""
        return colorsys.hsv_to_rgb((TRAIN_HUES | HELDOUT_HUES)[self.color], 0.85, 0.85)

    @property
    def grip_rad(self) -> float:
        """Angle in its own frame along which the fingers' faces must lie: flat or cornered sides of at most 5 cm."""
        return GRIP_RAD.get(self.shape, 0.0)

    def mesh(self) -> Mesh:
        """What it looks like."""
        return shape(self.shape, SIZE_M, self.rgb)


def sample_rgb(rng: np.random.Generator) -> Color:
    """Draw a colour for an object to train on, (r, g, b) in [0, 1]: any hue but those near a held-out one."""
    while True:
        hue = rng.random()
        if all(abs((hue - other + 0.5) % 1 - 0.5) > HELDOUT_WITHIN for other in HELDOUT_HUES.values()):
            return colorsys.hsv_to_rgb(hue, rng.uniform(0.7, 1.0), rng.uniform(0.7, 1.0))


def catalogue(variety: str) -> tuple[Thing, ...]:
    """The objects of a variety.

    Pairs of a training shape with a training colour are the fields of a chessboard. ``train``: the twenty black ones.
    ``heldout``: twenty others: 8 white ones (only the combination is new), 6 training shapes in held-out colours and 6
    held-out shapes in training colours. ``fixed``: five of ``train``, each of another shape and colour.
    """
    hues, new_hues = tuple(TRAIN_HUES), tuple(HELDOUT_HUES)
    if variety == "fixed":
        return tuple(Thing(hues[j], TRAIN_SHAPES[i]) for i, j in ((2, 0), (3, 1), (0, 2), (5, 3), (4, 4)))
    if variety == "train":
        return tuple(Thing(hues[j], name) for i, name in enumerate(TRAIN_SHAPES) for j in range(i % 2, len(hues), 2))
    white = [Thing(hues[1 - i % 2 + 2 * (i // 2 % 2)], name) for i, name in enumerate(TRAIN_SHAPES)]
    colors = [Thing(new_hues[i % 3], name) for i, name in enumerate(TRAIN_SHAPES[:6])]
    shapes = [Thing(hues[i % 5], HELDOUT_SHAPES[i % 3]) for i in range(6)]
    return (*white, *colors, *shapes)
