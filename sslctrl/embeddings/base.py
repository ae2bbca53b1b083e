"""What an embedding is: an objective that turns frames into vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.clips import Clips
from sslctrl.errors import InputError
from sslctrl.eval_mode import eval_mode
from sslctrl.history import History
from sslctrl.objective import Objective, channels_first, to_float


class Embedding(Objective):
    """An objective with `embed`. Frames are square, `size_px` wide; embeddings have `dim` numbers.

    A moment is what one embedding reads: a frame, or, where `history` says so, n frames of one camera, oldest first.
    """

    def __init__(self, backbone: nn.Module, dim: int, size_px: int, history: History = History()) -> None:  # noqa: B008
        super().__init__()
        if dim < 1 or size_px < 8:
            raise InputError(f"dim is {dim} and size_px {size_px}; allowed are dim >= 1 and size_px >= 8; change them")
        self.backbone = backbone
        self.dim = dim
        self.size_px = size_px
        self.history = history

    @property
    def learns_from(self) -> tuple[str, ...]:
        """The cameras that its options `camera` or `cameras` name; none: all that its video has."""
        camera = getattr(self, "camera", "")
        return (camera,) if camera else tuple(getattr(self, "cameras", ()))

    @property
    def seen_dim(self) -> int:
        """Numbers that a policy is to see of a moment: `dim`, and those of what the embedding is conditioned on."""
        return self.dim

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Return the embeddings (N, D) of moments, float (N, 3, H, W) or (N, n, 3, H, W) in [0, 1], with gradient and
        deterministic.
        """

    def observe(self, images: Tensor) -> Tensor:
        """Return what a policy is to see of moments, as `encode`: (N, seen_dim), the embedding first."""
        return self.encode(images)

    @torch.no_grad()
    def embed(self, frames: Tensor, batch: int = 256) -> Tensor:
        """Return the embeddings, float32 (N, D) on the model's device, of moments: uint8 (N, 3, H, W) or
        (N, n, 3, H, W).

        In eval mode (the mode it had is restored), without gradient, `batch` moments at a time. Raises InputError on
        another dtype, shape or size, or a batch below 1.
        """
        return self._of_moments(self.encode, frames, batch)

    def _of_moments(self, net: Callable[[Tensor], Tensor], frames: Tensor, batch: int) -> Tensor:
        moment = self.history.moment
        if frames.ndim != 4 + len(moment) or tuple(frames.shape[1:-3]) != moment or batch < 1:
            wanted = ", ".join(map(str, ("N", *moment, 3, "H", "W")))
            raise InputError(
                f"frames are {tuple(frames.shape)}, batch is {batch}; allowed are uint8 ({wanted}) and 1 or more"
            )
        return self.in_eval(net, frames, batch)

    @torch.no_grad()
    def in_eval(self, net: Callable[[Tensor], Tensor], frames: Tensor, batch: int = 256) -> Tensor:
        """Return what a part of this module makes of uint8 frames (N, ..., 3, H, W), as `embed` does: float32 (N, ...).

        Raises InputError on another dtype or size.
        """
        self._check_size(frames)
        with eval_mode(self, *self.backbones):  # a mix of objectives holds its parts' backbone itself
            return torch.cat([net(to_float(part, self.device)).float() for part in frames.split(batch)])

    def embed_hwc(self, frames: np.ndarray, batch: int = 256) -> np.ndarray:
        """As `embed` for moments as cameras have them: uint8 (N, H, W, 3) or (N, n, H, W, 3) -> float32 (N, D)."""
        return self._of_hwc(self.encode, frames, batch)

    def observe_hwc(self, frames: np.ndarray, batch: int = 256) -> np.ndarray:
        """As `embed_hwc`, of what a policy is to see: float32 (N, seen_dim)."""
        return self._of_hwc(self.observe, frames, batch)

    def _of_hwc(self, net: Callable[[Tensor], Tensor], frames: np.ndarray, batch: int) -> np.ndarray:
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.ndim < 4 or frames.shape[-1] != 3:
            raise InputError(
                f"frames are {frames.dtype} {frames.shape}; allowed are uint8 (N, H, W, 3); "
                "pass them as they were rendered"
            )
        return self._of_moments(net, channels_first(frames), batch).cpu().numpy()

    def embed_video(self, frames: np.ndarray) -> np.ndarray:
        """Return the embedding of every step of one camera's video in a row: uint8 (T, H, W, 3) -> float32 (T, D)."""
        return self.embed_hwc(self.history.of(frames))

    def images(self, clips: Clips) -> Tensor:
        """Return all frames of the clips as float images (B, V, T, 3, H, W) in [0, 1] on the model's device.

        Raises InputError where they are not uint8 (B, V, T, 3, size_px, size_px).
        """
        if clips.frames.ndim != 6:
            raise InputError(f"the clips' frames are {tuple(clips.frames.shape)}; allowed are (B, V, T, 3, H, W)")
        self._check_size(clips.frames)
        return to_float(clips.frames, self.device)

    def check_width(self) -> None:
        """Raise InputError where `encode` or `observe` return other shapes than `dim` and `seen_dim` say; one that
        cannot read a black moment is left to those that it is given.
        """
        black = torch.zeros(1, *self.history.moment, 3, self.size_px, self.size_px, dtype=torch.uint8)
        for net, width in ((self.encode, self.dim), (self.observe, self.seen_dim)):
            try:
                found = tuple(self.in_eval(net, black).shape)
            except Exception:
                return
            if found != (1, width):
                raise InputError(
                    f"{type(self).__name__}.{net.__name__} returns {found} of one moment; allowed is (1, {width}), as "
                    "its dim says; mend either"
                )

    def _check_size(self, frames: Tensor) -> None:
        if frames.shape[-2:] != (self.size_px, self.size_px):
            raise InputError(
                f"frames are {tuple(frames.shape)}; allowed are uint8 (..., 3, {self.size_px}, {self.size_px}); "
                "give the option size_px the frames' size in training, and resize frames to it afterwards"
            )
