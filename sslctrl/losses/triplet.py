"""The semi-hard triplet loss on the unit sphere."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def semihard_triplet(anchors: Tensor, positives: Tensor, margin: float, labels: Tensor | None = None) -> Tensor:
    """Return Schroff et al. 2015, section 3.2: mean over i of max(0, |a_i - p_i|^2 - |a_i - n_i|^2 + margin).

    anchors and positives: (..., N, D), N >= 2, normalised here; the leading axes are batches that share no negatives.
    n_i is the p_j, j != i, nearest to a_i of those further away than p_i; where none is, the furthest. Collapsed
    embeddings cost `margin`. labels, (N,): what shares one is not repelled either; what nothing else is left for costs
    nothing.
    """
    anchors, positives = functional.normalize(anchors.float(), dim=-1), functional.normalize(positives.float(), dim=-1)
    distances = 2 - 2 * anchors @ positives.mT
    positive = distances.diagonal(dim1=-2, dim2=-1)
    labels = torch.arange(distances.shape[-1], device=distances.device) if labels is None else labels
    other = labels[:, None] != labels
    with torch.no_grad():  # which negative is a choice, not a function to differentiate
        further = (distances > positive[..., None]) & other
        nearest = distances.masked_fill(~further, torch.inf).argmin(-1)
        furthest = distances.masked_fill(~other, -torch.inf).argmax(-1)
        chosen = torch.where(further.any(-1), nearest, furthest)
    negative = distances.gather(-1, chosen[..., None])[..., 0]
    return (functional.relu(positive - negative + margin) * other.any(-1)).mean()
