"""Denoising autoencoder (Vincent et al. 2008, "Extracting and composing robust features ...")."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from sslctrl.errors import InputError, check_among
from sslctrl.objective import Loss
from vision.decoder import MapDecoder
from vision.image_task import ImageTask

Noise = Literal["mask", "gaussian"]


class Corrupted(NamedTuple):
    """Images, what noise made of them, and where it is scored."""

    clean: Tensor
    """float (N, 3, H, W) in [0, 1]."""
    corrupted: Tensor
    """float (N, 3, H, W)."""
    scored: Tensor
    """bool (N, 1, H, W): the pixels that were changed."""


class Denoising(ImageTask):
    """What was the image before the noise? The squared error on the pixels that the noise changed.

    `noise` "mask" turns a fraction `nu` of each image's pixels black (section 2.3, there of single values); "gaussian"
    adds noise of standard deviation `nu` to every value, and clamps nothing. Intact pixels are not scored, as in the
    "full emphasis" of Vincent et al. 2010 (JMLR 11), section 3.4: at a small `nu` a copy of the input would be all but
    right.
    """

    shows = "Above: images with noise. In the middle: what the net restores. Below: without noise."

    def __init__(self, backbone: nn.Module, batch: int = 32, noise: Noise = "mask", nu: float = 0.25) -> None:
        super().__init__(backbone, batch)
        check_among(get_args(Noise), noise=noise)
        if not 0 < nu < 1:
            raise InputError(f"nu is {nu}; allowed is above 0 and below 1, often 0.1 to 0.5; change it")
        self.noise, self.nu = noise, nu
        self.decoder = MapDecoder(backbone)

    def ask(self, images: Tensor, rng: torch.Generator) -> Corrupted:
        """Corrupt the images."""
        if self.noise == "mask":
            scored = random_pixels(images, self.nu, rng)
            return Corrupted(images, images.masked_fill(scored, 0), scored)
        added = torch.randn(images.shape, generator=rng, device=rng.device) * self.nu
        return Corrupted(images, images + added, torch.ones_like(images[:, :1], dtype=torch.bool))

    def judge(self, question: Corrupted) -> Loss:
        """Return the mean squared error of the scored pixels; `psnr_gain_db` is over the corrupted images'."""
        mse = _mse(self._clean(question.corrupted), question)
        gain = 10 * torch.log10(_mse(question.corrupted, question).clamp_min(1e-8) / mse.detach().clamp_min(1e-8))
        return Loss(mse, {"mse": mse.detach(), "psnr_gain_db": gain})

    @torch.no_grad()
    def restore(self, corrupted: Tensor) -> Tensor:
        """Return the restored images (N, 3, H, W) in [0, 1] of corrupted ones.

        Under mask noise only black pixels are replaced: the net was never asked for the others.
        """
        clean = self._clean(corrupted).clamp(0, 1)
        return torch.where((corrupted == 0).all(1, True), clean, corrupted) if self.noise == "mask" else clean

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return the corrupted images, the restored and the clean ones."""
        question = self.ask(images, rng)
        return torch.stack([question.corrupted.clamp(0, 1), self.restore(question.corrupted), images])

    def _clean(self, corrupted: Tensor) -> Tensor:
        return self.decoder(self.backbone(corrupted), corrupted.shape[2:])


def random_pixels(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Choose a share of each image's pixels, the same number in all, at least one: bool (N, 1, H, W)."""
    draws = torch.rand(len(images), images[0, 0].numel(), generator=rng, device=rng.device)
    chosen = draws.topk(max(1, round(share * draws.shape[1])), sorted=False).indices
    return torch.zeros_like(draws, dtype=torch.bool).scatter(1, chosen, True).view_as(images[:, :1])


def _mse(answer: Tensor, question: Corrupted) -> Tensor:
    """Return the mean squared error of the scored pixels."""
    error = (answer - question.clean).square() * question.scored
    return error.sum() / (3 * question.scored.sum())
