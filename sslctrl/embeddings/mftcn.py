"""Multi-frame time-contrastive network (Dwibedi et al. 2018, arXiv 1808.00928, section III)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from sslctrl.augment import DEFAULT, STILL, augment
from sslctrl.body import check_weight, coordinates
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError, check_least
from sslctrl.heads import SpatialSoftArgmax, channels_of
from sslctrl.history import History
from sslctrl.objective import Loss
from sslctrl.time_contrast import LossName, TimeContrast, check_contrast, pick_views, same_step


class MfTcn(Embedding):
    """As `Tcn`, but a moment is `frames` frames, `stride` steps apart, up to the present: so that motion is seen, too.

    Each frame goes through the same backbone and spatial soft-argmax; two convolutions over time read the key points'
    tracks. A batch is `chunks` stretches of consecutive moments of one episode, so that a frame is read once for all
    the moments it belongs to, and a moment's neighbours are among its negatives: what tells them apart is motion.
    `frames` 1 is the single frame trained alike: the baseline. Where the body is tells most moments apart, motion or
    not: `body` and `body_weight`, as in `Tcn`, contrast the rest, in which motion is.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 32,
        points: int = 32,
        hidden: int = 128,
        frames: int = 5,
        stride: int = 1,
        loss: LossName = "npairs",
        l2: float = 0.002,
        margin: float = 0.2,
        views_per_batch: int = 2,
        chunks: int = 5,
        chunk_steps: int = 10,
        body: tuple[int, ...] = (),
        body_weight: float = 0.7,
        cameras: tuple[str, ...] = (),
        augment: bool = True,
        hue: float = 0.0,
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px, History(frames, stride))
        counts = {"frames": frames, "stride": stride, "chunks": chunks, "chunk_steps": chunk_steps}
        if min(counts.values()) < 1 or chunks * chunk_steps < 2 or views_per_batch < 2:
            raise InputError(
                f"{counts}, views_per_batch {views_per_batch}; allowed are 1 or more of each, 2 or more moments and "
                "views; change them"
            )
        check_weight(body_weight)
        check_least(1, points=points)
        check_least(0, hidden=hidden)
        self.points = nn.Conv2d(channels_of(backbone), points, 1, bias=False)
        self.positions = SpatialSoftArgmax()
        if hidden:
            kernel = min(3, frames)
            self.track = nn.Sequential(
                nn.Conv1d(2 * points, hidden, kernel),
                nn.ReLU(),
                nn.Conv1d(hidden, hidden, frames - kernel + 1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(hidden, dim),
            )
        else:
            self.track = nn.Sequential(nn.Conv1d(2 * points, dim, frames), nn.Flatten())
        self.contrast = TimeContrast(loss, l2, margin)
        self.body, self.body_weight = body, body_weight
        self.views_per_batch, self.chunks, self.chunk_steps = views_per_batch, chunks, chunk_steps
        self.cameras = cameras
        self.strength = replace(DEFAULT if augment else STILL, hue=hue)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick one episode, up to `views_per_batch` cameras, and stretches of it that share no moment, each with the
        frames before it that its first moment reads.

        In an episode too short for `chunks` stretches there are fewer, or a shorter one. Raises InputError for unknown
        cameras, or where no episode has moments enough.
        """
        steps = np.minimum(self.chunk_steps, layout.lengths)
        chunks = np.minimum(self.chunks, layout.lengths // steps)
        episode, view = pick_views(layout, self.cameras, self.views_per_batch, steps * chunks, len(self.body), rng)
        length, steps, chunks = (int(of_each[episode[0]]) for of_each in (layout.lengths, steps, chunks))
        room = length - chunks * (steps - 1)
        first = np.sort(rng.choice(room, size=chunks, replace=False)) + np.arange(chunks) * (steps - 1)
        step = np.maximum(first[:, None] + np.arange(-self.history.look_back, steps), 0).reshape(-1)
        return Pick(episode, view[None], np.broadcast_to(step, (1, len(view), len(step))))

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the mean loss over all ordered pairs of different views of clips as `pick` makes them."""
        images = self.images(clips)
        batch, views, frames = images.shape[:3]
        longest = self.history.look_back + self.chunk_steps
        chunks = max(1, frames // longest)
        if frames % chunks or frames // chunks <= self.history.look_back:
            raise InputError(
                f"the clips have {frames} frames; allowed are stretches of {longest}, or one of "
                f"{self.history.look_back + 1} or more; pick them as pick() does"
            )
        moments = frames // chunks - self.history.look_back
        check_contrast(views, chunks * moments)
        if self.strength != STILL:
            images = augment(images.flatten(0, 1), rng, self.strength)
        tracks = self._tracks(images.reshape(-1, *images.shape[-3:])).unflatten(0, (-1, frames // chunks))
        read = self.history.steps(torch.arange(self.history.look_back, frames // chunks).numpy())
        z = self.track(tracks[:, read].flatten(0, 1).mT).float().view(batch, views, chunks * moments, self.dim)
        metrics = {"nearest_is_same_step": same_step(self.contrast.normal(z)), "norm": z.detach().norm(dim=-1).mean()}
        body = None
        if self.body:
            known = coordinates(clips, self.body).unflatten(2, (chunks, -1))
            body = known[:, :, :, self.history.look_back :].flatten(2, 3).to(self.device)
        return Loss(self.contrast.between_views(z, body, self.body_weight), metrics)

    def encode(self, images: Tensor) -> Tensor:
        """Return embeddings (N, D) of moments (N, n, 3, H, W): unit vectors under the triplet loss."""
        images = images if images.ndim == 5 else images[:, None]
        tracks = self._tracks(images.flatten(0, 1)).unflatten(0, images.shape[:2])
        return self.contrast.normal(self.track(tracks.mT))

    def _tracks(self, images: Tensor) -> Tensor:
        """Return the key points' positions (N, 2 points) in frames (N, 3, H, W)."""
        return self.positions(self.points(self.backbone(images)))
