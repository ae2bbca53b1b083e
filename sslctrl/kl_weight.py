"""The weight of KL in a VAE's loss, constant or falling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError

_FIRST = 30.0


class KlWeight(nn.Module):
    """beta; over the first `slow_start` batches it falls to that from 30 times as much, by the same factor each batch.

    Latents then begin with what explains most of the pixels, and take up the rest one thing at a time (Burgess et al.
    2018, arXiv 1804.03599, section 5, which loosens a bound where this lowers a price). What a CC-VAE's context can
    explain is explained there before latents cost less than to wait for it. Raises InputError on numbers below 0.
    """

    learned: Tensor

    def __init__(self, beta: float, slow_start: int) -> None:
        super().__init__()
        if not beta >= 0 or slow_start < 0:
            raise InputError(f"beta is {beta}, slow_start {slow_start}; allowed is 0 or more of each; change them")
        self.beta, self.slow_start = beta, slow_start
        self.register_buffer("learned", torch.zeros((), dtype=torch.int64), persistent=slow_start > 0)

    def forward(self) -> float | Tensor:
        """Return the weight of the present batch: in training, of the next one each time."""
        if not self.slow_start:
            return self.beta
        ahead = (1 - self.learned / self.slow_start).clamp(min=0)
        if self.training:
            self.learned += 1
        return self.beta * _FIRST**ahead
