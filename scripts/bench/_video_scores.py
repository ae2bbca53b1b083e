"""What each video task is worth on video that it never saw, in the unit of its own question."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from kornia.color import rgb_to_lab
from torch import Tensor
from torch.nn import functional

from scripts.bench._image_scores import batches, metrics
from scripts.bench._jobs import Measured
from scripts.bench._video_truth import Truth, boxes, pushes
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore
from vision.color import grey
from vision.motion import flows, speeds_px
from vision.propagation import marked_points, point_marks, propagate
from vision.things import Things
from vision.untrained import untrained
from vision.video import odd_one_out
from vision.video.facenet_triplet import FacenetTriplet
from vision.video.odd_one_out import OddOneOut
from vision.video.tracking import Tracking
from vision.video.video_colorization import VideoColorization
from vision.video_task import VideoTask

CLIPS = 30
_MOVING_PX = 0.5
_FIVE = [0, 1, 2, 4, 5]
"""A clip's differences, without the third's copy in the second stack."""
_NEAR = 0.1
"""Of the picture's side: how far off a key point may be (PCK@.1)."""
Follow = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From frames (T, H, W, 3), masks (K, H, W) and points (K, 2) of the first, to the masks and points of all, with T."""


def accuracy(task: VideoTask, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the answer is right."""
    task.prepare(store)
    return {"": metrics(task, store, seed)["accuracy"]}


def balanced(task: VideoTask, store: EpisodeStore, seed: int) -> Measured:
    """Return the mean of the shares of valid and of invalid orders that are told to be so."""
    task.prepare(store)
    return {"": metrics(task, store, seed)["balanced"]}


@torch.no_grad()
def odd(task: OddOneOut, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the answer is right; and how often the clip that changes most is the odd one (`energy`)."""
    task.prepare(store)
    right: list[bool] = []
    for clips, rng in batches(task, store, seed):
        question = task.ask(clips, rng)
        energy = (question.changes - 0.5).square().mean((3, 4)).unflatten(1, (odd_one_out.CLIPS, -1)).flatten(2)
        right += (energy[..., _FIVE].sum(2).argmax(1) == question.odd).tolist()
    return {"": metrics(task, store, seed)["accuracy"], "energy": float(np.mean(right))}


def tracked(task: Tracking, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the last patch of a track is nearer to its first than another's, and how often it is the nearest
    of all (`r1`); the same of raw pixels' cosine, and of patches' median colours, which know the scene and no thing.
    """
    found = _retrieved(task, task.things, store, seed)
    return {
        "": found["ours"][0], "r1": found["ours"][1], "raw": found["raw"][0], "raw_r1": found["raw"][1],
        "color_r1": found["color"][1], "gallery": found["gallery"][0],
    }  # fmt: skip


def recognised(task: FacenetTriplet, store: EpisodeStore, seed: int) -> Measured:
    """Return how often a thing's nearest patch at another moment is its own; the same of raw pixels' cosine and of
    median colours.
    """
    found = _retrieved(task, task.things, store, seed)
    return {
        "": found["ours"][1], "raw": found["raw"][1], "color": found["color"][1], "gallery": found["gallery"][0]
    }  # fmt: skip


@torch.no_grad()
def _retrieved(task: VideoTask, things: Things, store: EpisodeStore, seed: int) -> dict[str, tuple[float, float]]:
    """Return shares of pairs ranked right, and of queries answered right, by the task's vectors, by raw pixels and by
    median colours; and how many things there are to choose among.
    """
    task.prepare(store)
    found: dict[str, list[tuple[float, float]]] = {}
    for clips, rng in batches(task, store, seed):
        patches = task.ask(clips, rng).patches
        pixels, colors = patches.flatten(2), patches.flatten(3).median(3).values
        pixels = functional.normalize(pixels - pixels.mean(2, keepdim=True), dim=2)
        ways = {"ours": things.embedded(task.backbone, patches), "raw": pixels, "color": colors}
        for name, vectors in ways.items():
            apart = torch.cdist(vectors[:, 0], vectors[:, 1])
            own = apart.diagonal()[:, None]
            others = ~torch.eye(len(own), dtype=torch.bool)
            ranked = (apart > own)[others].float().mean()
            nearest = (apart.argmin(1) == torch.arange(len(own))).float().mean()
            found.setdefault(name, []).append((float(ranked), float(nearest)))
        found.setdefault("gallery", []).append((len(patches), 0.0))
    return {
        name: (float(np.mean([a for a, _ in one])), float(np.mean([b for _, b in one]))) for name, one in found.items()
    }


def followed_pushes(task: VideoColorization, store: EpisodeStore, seed: int) -> Measured:
    """Return what features find again of simulated pushes: J of masks, PCK@.1 of key points; and accuracy of colours.

    Beside them what nothing (`identity`), the same net untrained and OpenCV's DIS flow find.
    """
    return _followed(task, pushes(CLIPS, 100), store, seed, masks=True) | _recolored(task, store, seed)


def followed_box(task: VideoColorization, store: EpisodeStore, seed: int) -> Measured:
    """Return the same of the box of box.mp4: key points alone."""
    return _followed(task, boxes(CLIPS), store, seed, masks=False) | _recolored(task, store, seed)


def _followed(
    task: VideoColorization, truths: Sequence[Truth], store: EpisodeStore, seed: int, masks: bool
) -> Measured:
    ways: dict[str, Follow] = {
        "": by_features(task),
        "identity": lambda frames, first, points: (
            np.repeat(first[None], len(frames), axis=0),
            np.repeat(points[None], len(frames), axis=0),
        ),
        "random": by_features(untrained(task, store, seed)),
        "dis": by_flow,
    }
    values: Measured = {}
    for name, follow in ways.items():
        pairs = [(follow(truth.frames, truth.masks[0], truth.points[0]), truth) for truth in truths]
        suffix = f"_{name}" * bool(name)
        if masks:
            values["j" + suffix] = float(np.mean([jaccard(one[0], truth.masks) for one, truth in pairs]))
        near = [np.linalg.norm(one[1] - truth.points, axis=2)[1:] <= _NEAR for one, truth in pairs]
        values["pck" + suffix] = float(np.mean([one.mean() for one in near]))
    return values


def jaccard(found: np.ndarray, true: np.ndarray) -> float:
    """Return the mean intersection over union of masks (T, K, H, W), the first frame left out, and those that are
    empty.
    """
    found, true = found[1:], true[1:]
    both, either = (found & true).sum((2, 3)), (found | true).sum((2, 3))
    shown = true.any((2, 3))
    return float((both[shown] / either[shown]).mean())


def by_features(task: VideoColorization) -> Follow:
    """Return what follows masks and points by a task's features of grey frames."""

    def follow(frames: np.ndarray, masks: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = channels_first(frames).float() / 255
        with torch.no_grad():
            features = task.features(grey(rgb_to_lab(images)[:, :1])[None])[0]
        height, width = features.shape[2:]
        small = torch.zeros(0, height, width)
        if len(masks):
            small = functional.interpolate(torch.from_numpy(masks)[None].float(), size=(height, width), mode="area")[0]
        marks = torch.cat([small, point_marks(torch.from_numpy(points).float(), height, width)])
        found = propagate(features, marks)
        where = marked_points(found[:, len(masks) :]).numpy()
        if not len(masks):
            return np.zeros((len(frames), 0, *frames.shape[1:3]), bool), where
        large = functional.interpolate(found[:, : len(masks)], size=frames.shape[1:3], mode="bilinear")
        return (large > 0.5).numpy(), where

    return follow


def by_flow(frames: np.ndarray, masks: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Carry masks and points from frame to frame by OpenCV's DIS flow."""
    height, width = frames.shape[1:3]
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    forth, back = flows(frames, preset), list(flows(frames[::-1], preset))[::-1]
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    all_masks, all_points = [masks], [points]
    soft = [mask.astype(np.float32) for mask in masks]
    for to_next, to_before in zip(forth, back, strict=True):
        soft = [cv2.remap(one, column + to_before[..., 0], row + to_before[..., 1], cv2.INTER_LINEAR) for one in soft]
        at = np.clip((all_points[-1] * [width, height]).astype(int), 0, [width - 1, height - 1])
        all_points.append(all_points[-1] + to_next[at[:, 1], at[:, 0]] / [width, height])
        all_masks.append(np.array([one > 0.5 for one in soft], bool).reshape(masks.shape))
    return np.stack(all_masks), np.stack(all_points)


@torch.no_grad()
def _recolored(task: VideoColorization, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the colour of a place that moves is right, beyond copying it from the same place."""
    task.prepare(store)
    gains: list[float] = []
    for clips, rng in batches(task, store, seed):
        question = task.ask(clips, rng)
        said, true, copied = task.told(question)
        moving = _moving(clips.frames[:, 0, -2:], said.shape[1:])
        if moving.any():
            gains.append(float((said == true)[moving].float().mean() - (copied == true)[moving].float().mean()))
    return {"moving_accuracy_gain": float(np.mean(gains))}


def _moving(pairs: Tensor, size: Sequence[int]) -> Tensor:
    """Return which places of a map move between two uint8 frames, (N, 2, 3, H, W): bool (N, h, w)."""
    length = [speeds_px(next(iter(flows(pair.movedim(1, -1).numpy())))).astype(np.float32) for pair in pairs]
    small = [cv2.resize(one, (size[1], size[0]), interpolation=cv2.INTER_AREA) for one in length]
    return torch.from_numpy(np.stack(small)) > _MOVING_PX
