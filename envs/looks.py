"""How a scene is dressed: colours, light and background, fixed or drawn anew for every episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from envs.cameras import Camera, Vector
from envs.meshes import Color, Part
from sslctrl.errors import InputError

LIGHT_TILT_RAD = 0.9  # at strength 1, of the default direction
TINT = 0.6  # at strength 1 a channel of a body's colours loses up to this share
EYE_M, TARGET_M, FOV = 0.04, 0.015, 0.05  # standard deviations of a camera's jitter at scale 1


@dataclass(frozen=True)
class Look:
    """Lambert lighting from one direction.

    ``colors`` by body name replace the colours of all its faces, ``tints`` multiply them; ``light`` points towards the
    light (any length), ``ambient`` in [0, 1] is the share of light on faces turned away; colours are in [0, 1].
    """

    colors: Mapping[str, Color] = field(default_factory=dict)
    tints: Mapping[str, Color] = field(default_factory=dict)
    light: Vector = (0.45, -0.35, 0.82)
    ambient: float = 0.5
    background: Color = (0.80, 0.86, 0.92)

    def with_colors(self, colors: Mapping[str, Color]) -> Look:
        """The same look, in which bodies of ``colors`` have exactly these colours."""
        tints = {body: tint for body, tint in self.tints.items() if body not in colors}
        return replace(self, colors={**self.colors, **colors}, tints=tints)


def default_look() -> Look:
    """Every mesh in its own colours under a light from the front and the right."""
    return Look()


def random_look(rng: np.random.Generator, parts: Sequence[Part], strength: float) -> Look:
    """A look drawn from ``rng``: tints of bodies, light and background; ``strength`` in [0, 1] scales all of it."""
    _check(strength)
    base = Look()
    bodies = dict.fromkeys(part.body for part in parts)
    tints = {body: _triple(1 - strength * TINT * rng.random(3)) for body in bodies}
    light = np.asarray(base.light) / np.linalg.norm(base.light)
    light = light + np.tan(strength * LIGHT_TILT_RAD) * rng.uniform(-1, 1, 3) / np.sqrt(3)
    light[2] = max(light[2], 0.2)  # never from below the table
    background = (1 - strength) * np.asarray(base.background) + strength * rng.random(3)
    ambient = base.ambient + strength * rng.uniform(-0.2, 0.2)
    return Look({}, tints, _triple(light), float(ambient), _triple(background))


def jitter(camera: Camera, rng: np.random.Generator, scale: float) -> Camera:
    """The camera a little out of place: at ``scale`` 1 its eye by 4 cm, its target by 1.5 cm, its angle by 5 %."""
    _check(scale)
    eye = np.asarray(camera.eye_m) + scale * EYE_M * rng.standard_normal(3)
    target = np.asarray(camera.target_m) + scale * TARGET_M * rng.standard_normal(3)
    fov_rad = camera.fov_rad * float(np.exp(scale * FOV * rng.standard_normal()))
    return camera._replace(eye_m=_triple(eye), target_m=_triple(target), fov_rad=min(fov_rad, 3.0))


def orbit(camera: Camera, center_m: Sequence[float], angle_rad: float) -> Camera:
    """The camera carried round the vertical through ``center_m`` (2 or more numbers), its view turned with it."""
    about = np.array([center_m[0], center_m[1], 0.0])
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    eye, target = (_triple(turn @ (np.asarray(v) - about) + about) for v in (camera.eye_m, camera.target_m))
    return camera._replace(eye_m=eye, target_m=target, up=_triple(turn @ np.asarray(camera.up)))


def _check(strength: float) -> None:
    if not 0 <= strength <= 1:
        raise InputError(f"strength {strength} given; randomisation takes a number from 0 (none) to 1 (most)")


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return (a, b, c)
