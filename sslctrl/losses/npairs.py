"""The n-pairs loss: every other pair of the batch is a negative."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def npairs(anchors: Tensor, positives: Tensor, l2: float) -> Tensor:
    """Return Sohn 2016, equation 8 and section 3.2.2: mean over i of -log softmax_j(a_i . p_j) at j = i, plus l2
    (|a_i|^2 + |p_i|^2).

    anchors and positives: (..., N, D), unnormalised; the leading axes are batches that share no negatives. The sum
    over j includes i. Two orthogonal pairs of norm 0 cost log 2. On normalised embeddings it saturates: logits stay in
    [-1, 1].
    """
    anchors, positives = anchors.float(), positives.float()
    logits = anchors @ positives.mT
    labels = torch.arange(logits.shape[-1], device=logits.device).expand(logits.shape[:-1])
    norms = anchors.square().sum(-1).mean() + positives.square().sum(-1).mean()
    return functional.cross_entropy(logits.flatten(0, -2), labels.flatten()) + l2 * norms
