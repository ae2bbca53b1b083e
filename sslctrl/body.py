"""What the robot's own body does not explain of an embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sslctrl.clips import Clips
from sslctrl.errors import InputError

DEGREE = 3


def unexplained(z: Tensor, body: Tensor) -> Tensor:
    """Return the residual of the least-squares fit of z on all monomials of the body's coordinates up to degree 3.

    z: (..., T, D), T moments of one episode; body: (..., T, K), the same leading axes or ones that broadcast. What is a
    cubic function of the body's pose is 0 in the result, so that only the rest can tell the moments apart (the
    residualisation of Frisch and Waugh 1933 and Lovell 1963). Raises InputError where T leaves nothing to tell.
    """
    basis = monomials(body)
    if basis.shape[-1] >= z.shape[-2]:
        raise InputError(
            f"{z.shape[-2]} moments with {body.shape[-1]} columns of the body: {basis.shape[-1]} terms explain them "
            "all; give more moments, or fewer columns"
        )
    u, size, _ = torch.linalg.svd(basis, full_matrices=False)
    u = u * (size > 1e-5 * size[..., :1])[..., None, :]  # terms may say the same: of a hand at rest, of an open gripper
    return z - u @ (u.mT @ z)


def least_moments(columns: int) -> int:
    """Return the fewest moments that can be told from each other, by what that many columns of the body leave
    unexplained of them.
    """
    return math.comb(columns + DEGREE, DEGREE) + 1


def coordinates(clips: Clips, columns: Sequence[int]) -> Tensor:
    """Return columns of the proprioception, (B, 1, T, K): the same in all views. Raises InputError where there are no
    such.
    """
    known = 0 if clips.proprio is None else clips.proprio.shape[-1]
    if clips.proprio is None or max(columns) >= known or min(columns) < 0:
        raise InputError(
            f"body is {columns}; this video's proprioception has {known} columns; "
            + ("name some of them" if known else "leave body out, or give the video proprioception")
        )
    return clips.proprio[:, :1, :, list(columns)]


def check_weight(body_weight: float) -> None:
    """Raise InputError unless it is a share of one."""
    if not 0 <= body_weight <= 1:
        raise InputError(f"body_weight is {body_weight}; allowed is 0 to 1; change it")


def monomials(body: Tensor) -> Tensor:
    """Return 1, x, y, x^2, x y, ... of standardised coordinates: (..., T, K) -> (..., T, M), M = C(K + 3, 3)."""
    scaled = (body - body.mean(-2, keepdim=True)) / body.std(-2, keepdim=True).clamp_min(1e-6)
    terms = [torch.ones_like(scaled[..., :1])]
    ends = [(terms[0], 0)]
    for _ in range(DEGREE):
        ends = [(end * scaled[..., k : k + 1], k) for end, first in ends for k in range(first, scaled.shape[-1])]
        terms += [end for end, _ in ends]
    return torch.cat(terms, dim=-1)
