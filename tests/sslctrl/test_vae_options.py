"""What VAE and CC-VAE both take, in their losses."""

from __future__ import annotations

import pytest
import torch

from sslctrl.clips import Clips
from sslctrl.embeddings.cc_vae import CcVae
from sslctrl.embeddings.vae import Vae
from sslctrl.objective import Loss
from vision.backbones.conv import Conv

FIRST, BETA = 30, 0.08
"""How many times as much KL weighs at first, and how much after a slow start."""


@pytest.mark.parametrize("kind", [Vae, CcVae])
def test_smooth_weighs_the_reconstructions_and_a_slow_start_the_kl(kind: type[Vae | CcVae]) -> None:
    frames = torch.randint(0, 256, (4, 1, 1, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))

    def loss(**options: float) -> Loss:
        torch.manual_seed(0)
        model = kind(Conv((4, 8), (2, 2)), dim=3, width=2, size_px=16, **options)  # pyright: ignore[reportArgumentType]
        return model.loss(Clips(frames, context=frames[:, 0, 0]), torch.Generator().manual_seed(5))

    plain, smooth, slow = loss(), loss(smooth=100.0), loss(slow_start=10)
    assert smooth.metrics["reconstruction"] > 1.05 * plain.metrics["reconstruction"]
    torch.testing.assert_close(slow.value - plain.value, (FIRST - 1) * BETA * plain.metrics["kl"], rtol=1e-2, atol=1e-3)
