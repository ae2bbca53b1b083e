"""What was marked in a video's first frame, found in the others by features alone (Vondrick et al. 2018, section 5)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sslctrl.errors import InputError


@torch.no_grad()
def propagate(
    features: Tensor, marks: Tensor, recent: int = 3, top_k: int = 5, radius: float = 0.25, temperature: float = 0.02
) -> Tensor:
    """Return marks of all frames, float (T, K, h, w), of features (T, C, h, w) and those of the first, (K, h, w).

    Each place of a frame gets the mean of the marks of its `top_k` likest places among the first frame's and the
    `recent` ones', weighted by the softmax of their features' cosines over `temperature` (of inner products, the
    longest vector would win); places further away than `radius` of the map's longer side are not looked at. Marks are
    anything linear: masks, or a channel a key point (`point_marks`). Raises InputError.
    """
    count, _, height, width = features.shape
    if marks.ndim != 3 or marks.shape[1:] != (height, width) or min(recent, top_k) < 1 or not radius > 0:
        raise InputError(
            f"features are {tuple(features.shape)}, marks {tuple(marks.shape)}, recent {recent}, top_k {top_k}, radius "
            f"{radius}; allowed are (T, C, h, w), (K, h, w), 1 or more, 1 or more, above 0"
        )
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).to(features)
    near = torch.cdist(places, places) <= radius * max(height, width)
    flat = functional.normalize(features, dim=1).flatten(2)
    found = [marks.flatten(1).to(features)]
    for step in range(1, count):
        seen = sorted({0, *range(max(0, step - recent), step)})
        likeness = torch.einsum("rcp,cq->qrp", flat[seen], flat[step]) / temperature
        likeness = likeness.masked_fill(~near[:, None], -torch.inf).flatten(1)
        best = likeness.topk(min(top_k, likeness.shape[1]), dim=1)
        known = torch.cat([found[one] for one in seen], dim=1)
        found.append((known[:, best.indices] * best.values.softmax(1)).sum(2))
    return torch.stack(found).unflatten(2, (height, width))


def point_marks(points: Tensor, height: int, width: int, sigma: float = 1.0) -> Tensor:
    """Return a channel a point, float (K, height, width), a Gaussian of `sigma` places round it; points are (K, 2), x
    and y as fractions of the picture.
    """
    row, column = ((torch.arange(size, device=points.device) + 0.5) for size in (height, width))
    across = torch.exp(-0.5 * ((column - points[:, :1] * width) / sigma) ** 2)
    down = torch.exp(-0.5 * ((row - points[:, 1:] * height) / sigma) ** 2)
    return down[:, :, None] * across[:, None, :]


def marked_points(marks: Tensor) -> Tensor:
    """Return where the points of marks (..., K, h, w) are, (..., K, 2), x and y as fractions of the picture: the mean
    of the places with half the channel's largest mark or more, weighted by these.
    """
    height, width = marks.shape[-2:]
    weights = marks * (marks >= 0.5 * marks.amax((-2, -1), keepdim=True))
    weights = weights / weights.sum((-2, -1), keepdim=True).clamp(min=1e-12)
    row, column = ((torch.arange(size, device=marks.device) + 0.5) / size for size in (height, width))
    return torch.stack([(weights.sum(-2) * column).sum(-1), (weights.sum(-1) * row).sum(-1)], dim=-1)
