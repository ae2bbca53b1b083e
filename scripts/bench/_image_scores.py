"""What each pretext task is worth on images that it never saw, in the unit of its own question."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from kornia.color import rgb_to_lab
from torch import Tensor

from scripts.bench._classifier import classifier
from scripts.bench._image_counts import numbers
from scripts.bench._image_probe import covered, pooled
from scripts.bench._jobs import Measured
from scripts.bench._tier import FULL
from sslctrl.clips import Clips
from sslctrl.objective import Objective
from sslctrl.rng import numpy_rng, torch_rng
from sslctrl.store import EpisodeStore
from vision.color import quartered
from vision.image.bigan import Bigan
from vision.image.colorization import Colorization
from vision.image.context_encoder import ContextEncoder
from vision.image.denoising import Denoising
from vision.image.gan import Gan
from vision.image.split_brain import SplitBrain

BATCHES = 20
COLORED = 30.0
"""Chroma in Lab from which a pixel is taken for an object's: tray and robot have less."""


def batches(task: Objective, store: EpisodeStore, seed: int) -> Iterator[tuple[Clips, torch.Generator]]:
    """Yield batches of a task's own pick, and a generator for each."""
    for number in range(BATCHES):
        yield store.clips(task.pick(store.layout, numpy_rng(seed, number, 7))), torch_rng(seed, number, 7)


@torch.no_grad()
def metrics(task: Objective, store: EpisodeStore, seed: int) -> Measured:
    """Return the means of what the task's own loss tells of batches."""
    told = [task.loss(*given).metrics for given in batches(task, store, seed)]
    return {name: float(np.mean([float(one[name]) for one in told])) for name in told[0]}


def nothing(task: Objective, store: EpisodeStore, seed: int) -> Measured:
    """Return no score: what is learned shows in probes alone."""
    return {}


def accuracy(task: Objective, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the answer is right."""
    return {"": metrics(task, store, seed)["accuracy"]}


def counted(task: Objective, store: EpisodeStore, seed: int) -> Measured:
    """Return the paired over the unpaired distance, and the length of what is counted."""
    told = metrics(task, store, seed)
    return {"": told["paired"] / told["unpaired"], "norm": told["norm"]}


def numbered(task: Objective, store: EpisodeStore, seed: int) -> Measured:
    """Return how well the number of objects can be read from the backbone's features."""
    return {"r2": numbers(pooled(task), store)}


@torch.no_grad()
def colored(task: Colorization, store: EpisodeStore, seed: int) -> Measured:
    """Return the share of coloured pixels whose bin is right, beyond that of always answering the prior's likeliest bin
    among colours; and how many nats the cross-entropy, the weights of rare colours taken off again, is below the
    prior's, and below that of the colours' own distribution in the images that are tested on.
    """
    ours, prior, colors, right, likeliest = [], [], [], [], []
    smoothed = 0.999 * task.prior + 0.001 / len(task.prior)  # a colour that training lacked costs the prior much
    answer = (task.prior * (task.bins.norm(dim=1) > COLORED)).argmax()
    for clips, rng in batches(task, store, seed):
        images = task.images(clips)
        question = task.ask(images, rng)
        logits = task.logits(question.images).log_softmax(1)
        plain = (logits - task.weights().log()[:, None, None]).log_softmax(1)
        ours.append(-(question.colors * plain).sum(1).mean())
        prior.append(-(question.colors * smoothed.log()[:, None, None]).sum(1).mean())
        colors.append(question.colors.mean((0, 2, 3)))
        object = quartered(rgb_to_lab(images))[:, 1:].norm(dim=1) > COLORED
        true = question.colors.argmax(1)[object]
        right.append(logits.argmax(1)[object] == true)
        likeliest.append(answer == true)
    own = torch.stack(colors).mean(0)
    gain = torch.cat(right).float().mean() - torch.cat(likeliest).float().mean()
    return {
        "object_accuracy_gain": float(gain),
        "nats_below_prior": float(torch.stack(prior).mean() - torch.stack(ours).mean()),
        "nats_below_own": float(-torch.xlogy(own, own).sum() - torch.stack(ours).mean()),
    }


@torch.no_grad()
def restored(task: Denoising, store: EpisodeStore, seed: int) -> Measured:
    """Return by how many dB the error of corrupted pixels falls, and how far that is above the better of two median
    filters' (3 x 3 and 5 x 5).
    """
    ours, median = [], []
    for clips, rng in batches(task, store, seed):
        question = task.ask(task.images(clips), rng)
        before = _squared(question.corrupted - question.clean, question.scored)
        ours.append(
            10 * torch.log10(before / _squared(task.restore(question.corrupted) - question.clean, question.scored))
        )
        filtered = [
            _filtered(question.corrupted, lambda image, side=side: cv2.medianBlur(image, side)) for side in (3, 5)
        ]
        errors = [_squared(one - question.clean, question.scored) for one in filtered]
        median.append(10 * torch.log10(before / min(errors)))
    gain = float(torch.stack(ours).mean())
    return {"": gain, "over_median_db": gain - float(torch.stack(median).mean())}


@torch.no_grad()
def filled(task: ContextEncoder, store: EpisodeStore, seed: int) -> Measured:
    """Return the error in the hole over that of filling it with the mean colour, and over that of OpenCV's Telea."""
    ours, mean, telea = [], [], []
    for clips, rng in batches(task, store, seed):
        question = task.ask(task.images(clips), rng)
        images, holes = question.images, question.holes
        ours.append(_squared(task.fill(images, holes) - images, holes))
        mean.append(_squared(question.covered - images, holes))
        telea.append(_squared(inpainted(images, holes) - images, holes))
    error, of_mean, of_telea = (float(torch.stack(errors).mean()) for errors in (ours, mean, telea))
    return {"": error / of_mean, "over_telea": error / of_telea}


@torch.no_grad()
def split(task: SplitBrain, store: EpisodeStore, seed: int) -> Measured:
    """Return how often the bin of a, b is right, beyond answering always the likeliest bin of the tested images."""
    right, true = [], []
    for clips, rng in batches(task, store, seed):
        question = task.ask(task.images(clips), rng)
        true.append(question.hidden["ab"].flatten())
        right.append(task.logits(question.seen)["ab"].argmax(1).flatten() == true[-1])
    bins = torch.cat(true).bincount()
    return {"accuracy_gain": float(torch.cat(right).float().mean() - bins.max() / bins.sum())}


@torch.no_grad()
def deep(task: SplitBrain, store: EpisodeStore, seed: int) -> Measured:
    """Return the root mean squared error of depth over that of always answering the mean."""
    error, spread = [], []
    for clips, _ in batches(task, store, seed):
        assert clips.depth is not None
        true = quartered(clips.depth.flatten(0, 2)[:, None])[:, 0]
        known = true > 0
        error.append((task.depth_m(task.images(clips)) - true)[known])
        spread.append(true[known])
    depth = torch.cat(spread)
    return {"": float(torch.cat(error).square().mean().sqrt() / depth.std())}


def generated(task: Gan, store: EpisodeStore, seed: int) -> Measured:
    """Return how many of ten classes a thousand generated images cover: surely, and where any guess counts."""
    images, judge = task.generate(1000, torch_rng(seed, 0, 8)), classifier(0, FULL)
    return {"": float(covered(images, judge, sure=0.9)), "taken_for": float(covered(images, judge))}


@torch.no_grad()
def inverted(task: Bigan, store: EpisodeStore, seed: int) -> Measured:
    """Return how far images are from what is made of their codes, over how far from what is made of another's."""
    ratios = [task.inversion_ratio(task.images(clips)) for clips, _ in batches(task, store, seed)]
    return {"": float(torch.stack(ratios).mean())}


def inpainted(images: Tensor, holes: Tensor) -> Tensor:
    """Fill holes, bool (N, 1, H, W), of float images (N, 3, H, W) by Telea's method of radius 3."""
    masks = holes[:, 0].cpu().numpy().astype(np.uint8)
    frames = (images.movedim(1, -1) * 255).round().to(torch.uint8).cpu().numpy()
    done = [
        cv2.inpaint(np.ascontiguousarray(frame), mask, 3, cv2.INPAINT_TELEA)
        for frame, mask in zip(frames, masks, strict=True)
    ]
    return torch.from_numpy(np.stack(done)).movedim(-1, 1).float() / 255


def _filtered(images: Tensor, how) -> Tensor:
    frames = (images.clamp(0, 1).movedim(1, -1) * 255).round().to(torch.uint8).cpu().numpy()
    return (
        torch.from_numpy(np.stack([how(np.ascontiguousarray(frame)) for frame in frames])).movedim(-1, 1).float() / 255
    )


def _squared(error: Tensor, where: Tensor) -> Tensor:
    """Return the mean squared error of the pixels (N, 1, H, W) that count."""
    return (error.square() * where).sum() / (error.shape[1] * where.sum())
