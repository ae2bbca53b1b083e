"""Tracking emerges by colorizing videos (Vondrick et al. 2018, arXiv 1806.09594)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from kornia.color import rgb_to_lab
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.heads import channels_of
from sslctrl.objective import Loss
from sslctrl.rng import numpy_rng
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from vision.color import colored, grey, nearest_bin
from vision.motion import Motion
from vision.overlay import overlaid
from vision.propagation import marked_points, point_marks, propagate
from vision.video_task import VideoTask

_COLORED_FRAMES = 100
"""Of which k-means finds the colours."""
_MOST_CLUSTERS = 256
_POINTS, _EXAM_TEMPERATURE = 4, 0.5
_CHANGED = 0.05
_LEAST_COLOR = 0.5
"""Deviation of a or b: of black and white film, rounding alone differs."""
_SHOWN_PLACES = 48
"""Along a map's side in a picture: affinities are of all pairs of places."""


class Uncolored(NamedTuple):
    """Frames without colour, what it was, and which places of the last are asked about."""

    frames: Tensor
    """float (N, T, 3, H, W) in [0, 1]: lightness, in each channel."""
    ab: Tensor
    """float (N, T, 2, H, W)."""
    draws: Tensor
    """float (N, targets) in [0, 1)."""


class VideoColorization(VideoTask):
    """The colour of a grey frame's places is copied from reference frames, from where the features point.

    A_ij = softmax_i(f_i . f_j / T), c_j = sum_i A_ij c_i over all places i of the `references` frames before, `every`
    steps apart; cross-entropy with the colour's cluster, of 16 that k-means finds in a, b (section 3). Features are
    `dim` numbers a place of the backbone's map of frames `enlarge` times as large: 32 x 32 of 64 px, as the paper's,
    where a map's side is a quarter of the image's, as `conv`'s; `resnet` and `wide_conv` have that with `enlarge` 4.
    They are one 1x1 convolution of each frame's map; the paper's five 3D convolutions over time and its two channels of
    place are left out. Each step asks about `targets` random places. T is 1, and 0.5 in an exam. Raises InputError.
    """

    shows = (
        "Above: a frame with the moving part and key points marked. Then the same marks found in later frames by "
        "features alone. Below: the last frame, coloured from the others."
    )
    colors: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 8,
        references: int = 3,
        every: int = 2,
        dim: int = 64,
        enlarge: int = 2,
        targets: int = 256,
        clusters: int = 16,
    ) -> None:
        super().__init__(backbone, batch)
        if min(references, every, dim, enlarge, targets) < 1 or not 2 <= clusters <= _MOST_CLUSTERS:
            raise InputError(
                f"references is {references}, every {every}, dim {dim}, enlarge {enlarge}, targets {targets}, clusters "
                f"{clusters}; allowed are 1 or more of each, 2 to {_MOST_CLUSTERS} clusters; change them"
            )
        self.references, self.every, self.enlarge, self.targets = references, every, enlarge, targets
        self.head = nn.Conv2d(channels_of(backbone), dim, 1)
        self.register_buffer("colors", torch.zeros(clusters, 2))  # a, b; found by the first `prepare`
        self.motion = Motion()

    def prepare(self, store: EpisodeStore) -> None:
        """See where the store moves and, the first time, what colours it has."""
        self.motion.prepare(store)
        if not self.colors.any():
            clips = store.clips(random_frames(store.layout, numpy_rng(0, 0), _COLORED_FRAMES))
            ab = rgb_to_lab(clips.frames.flatten(0, 2)[:, :, ::4, ::4].float() / 255)[:, 1:]
            pixels = ab.movedim(1, -1).flatten(0, 2).double().numpy()
            if pixels.std(0).max() < _LEAST_COLOR:
                raise InputError(
                    f"{store.root} has no colour: a and b of Lab deviate by {pixels.std(0).max():.2g}; allowed is "
                    f"{_LEAST_COLOR:g} or more; give video in colour, or another task"
                )
            count = min(len(self.colors), len(np.unique(pixels, axis=0)))
            found = KMeans(count, random_state=0).fit(pixels).cluster_centers_
            found = found[np.lexsort(found.T)]  # where these are fewer than asked for, the last one stands for the rest
            self.colors.copy_(torch.from_numpy(found[np.arange(len(self.colors)).clip(max=count - 1)]))

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick clips that move; the last frame is the one to colour. The label says nothing."""
        steps = np.arange(self.references + 1) * self.every
        windows = self.motion.windows(layout, rng, self.batch, steps[-1] + 1)
        return windows.pick(np.tile(steps, (self.batch, 1)), np.zeros(self.batch))

    def ask(self, clips: Clips, rng: torch.Generator) -> Uncolored:
        """Part lightness from colour, and draw the places of the last frame that are asked about."""
        video, _ = self.video(clips, self.references + 1)
        lab = rgb_to_lab(video)
        draws = torch.rand(len(video), self.targets, generator=rng, device=rng.device)
        return Uncolored(grey(lab[:, :, :1].flatten(0, 1)).unflatten(0, video.shape[:2]), lab[:, :, 1:], draws)

    def judge(self, question: Uncolored) -> Loss:
        """Return the cross-entropy of the places' colours. `accuracy_over_copying`: of the likeliest colours, beyond
        that of the colours at the same places of the last reference; `accuracy_where_changed`: where these are wrong.
        """
        features = self.features(question.frames)
        colors = self.clustered(question.ab, features.shape[3:])
        place = (question.draws * colors[0, 0].numel()).long()
        target = features[:, -1].flatten(2).take_along_dim(place[:, None], 2)
        true, copied = (colors[:, at].flatten(1).take_along_dim(place, 1) for at in (-1, -2))
        answer = self._pointed(target, features) @ self._known(colors, features)
        right = answer.argmax(2) == true
        changed = copied != true
        value = -answer.take_along_dim(true[..., None], 2).clamp(min=1e-6).log().mean()
        metrics = {
            "accuracy": right.float().mean(),
            "accuracy_over_copying": right.float().mean() - (~changed).float().mean(),
            "accuracy_where_changed": (right & changed).sum() / changed.sum().clamp(min=1),
        }
        return Loss(value, metrics)

    @torch.no_grad()
    def told(self, question: Uncolored) -> tuple[Tensor, Tensor, Tensor]:
        """Return the clusters of the last frames' places, int (N, h, w) each: the likeliest by what they point at, the
        true ones, and those at the same places of the last reference.
        """
        features = self.features(question.frames)
        size = features.shape[3:]
        colors = self.clustered(question.ab, size)
        answer = self._pointed(features[:, -1].flatten(2), features) @ self._known(colors, features)
        return answer.argmax(2).unflatten(1, size), colors[:, -1], colors[:, -2]

    def features(self, frames: Tensor) -> Tensor:
        """Return features (N, T, dim, h, w) of grey frames (N, T, 3, H, W) as `ask` makes them."""
        size = [self.enlarge * side for side in frames.shape[3:]]
        large = functional.interpolate(frames.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
        return self.head(self.backbone(large)).float().unflatten(0, frames.shape[:2])

    def clustered(self, ab: Tensor, size: Sequence[int]) -> Tensor:
        """Return the cluster of the colour at each place of a map of that size, int (N, T, h, w), of a, b (N, T, 2, H,
        W).
        """
        small = functional.interpolate(ab.flatten(0, 1), size=tuple(size), mode="nearest-exact")
        return nearest_bin(small, self.colors).unflatten(0, ab.shape[:2])

    @torch.no_grad()
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return the frames with the marks of the first one found in each, and the last one in the colours that its
        places point at.
        """
        video, _ = self.video(clips, self.references + 1)
        question = self.ask(clips, rng)
        features = self.features(question.frames)
        height, width = (min(side, _SHOWN_PLACES) for side in features.shape[3:])
        size = (height, width)
        features = functional.adaptive_avg_pool2d(features.flatten(0, 1), size).unflatten(0, features.shape[:2])
        columns = []
        for clip, (frames, maps) in enumerate(zip(video, features, strict=True)):  # one by one: affinities are large
            moving, points = _marks(frames)
            mask = functional.interpolate(moving[None, None], size=size, mode="area")[0]
            found = propagate(maps, torch.cat([mask, point_marks(points, *size)]))
            drawn = overlaid(frames, found[:, 0], marked_points(found[:, 1:]))
            known = functional.interpolate(question.ab[clip, :-1], size=size, mode="nearest-exact").transpose(0, 1)
            pointed = self._pointed(maps[-1:].flatten(2), maps[None])
            copied = torch.einsum("bqp,cp->bcq", pointed, known.flatten(1)).unflatten(2, size)
            columns.append(torch.cat([drawn, colored(question.frames[clip, -1:, :1] * 100, copied)]))
        return torch.stack(columns, dim=1)

    def _pointed(self, targets: Tensor, features: Tensor) -> Tensor:
        """Return how much each target (N, dim, Q) points at each place of the references: (N, Q, P)."""
        likeness = torch.einsum("bcq,bcp->bqp", targets, features[:, :-1].transpose(1, 2).flatten(2))
        return (likeness if self.training else likeness / _EXAM_TEMPERATURE).softmax(2)

    def _known(self, colors: Tensor, like: Tensor) -> Tensor:
        """Return the references' clusters as distributions: (N, P, clusters)."""
        return functional.one_hot(colors[:, :-1].flatten(1), len(self.colors)).to(like)


def _marks(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return which pixels of a clip's first frame differ from all later frames, float (H, W), and some corners there,
    (K, 2), x and y as fractions of the picture. What arrives at a place changes it, too, but not in all frames.
    """
    first, *later = frames.mean(1)
    moving = ((torch.stack(later) - first).abs() > _CHANGED).all(0).float()
    pixels, where = ((one * 255).byte().cpu().numpy() for one in (first, moving))
    corners = cv2.goodFeaturesToTrack(pixels, _POINTS, 0.01, min(first.shape) / 10, mask=where)
    found = np.zeros((0, 2), np.float32) if corners is None else corners[:, 0]
    height, width = first.shape
    return moving, (torch.from_numpy(found) + 0.5).to(frames) / torch.tensor([width, height]).to(frames)
