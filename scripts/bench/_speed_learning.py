"""Speed of learning: batches out of a store, training steps beside bare convolutions, recording by two processes."""

from __future__ import annotations

import time
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from envs.collect import collect
from envs.collect_config import CollectConfig
from scripts.bench._intervals import Figure, from_rounds
from scripts.bench._rounds import Work, cpu_seconds, milliseconds, per_second, ratio
from sslctrl.clips import Clips, Episode, Layout, Pick
from sslctrl.fit import FitConfig, fit
from sslctrl.objective import Objective
from sslctrl.rng import numpy_rng, torch_rng
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective

BATCH = 256


# -- recording --------------------------------------------------------------------------------------------------------
def record(folder: Path, episodes: int, workers: int = 1) -> EpisodeStore:
    """Record Push with the default four views of 64 px."""
    return collect(CollectConfig(out=folder, episodes=episodes, workers=workers))


def worker_figures(folder: Path, rounds: int, episodes: int) -> dict[str, Figure]:
    """Wall time of one process over that of two, the second's processes started and warm; busy cores show here."""
    ratios, speeds = [], []
    record(folder / "warm", 4, workers=2)
    for index in range(rounds):
        seconds = []
        for workers in (1, 2):
            start = time.perf_counter()
            record(folder / f"{index}-{workers}", episodes, workers)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
        speeds.append(episodes / seconds[1])
    return {
        "two_workers_vs_one": from_rounds(ratios, "ratio"),
        "two_workers_episodes_per_second": from_rounds(speeds, "1/s", np.median),
    }


# -- batches ----------------------------------------------------------------------------------------------------------
class Frames(Dataset):
    """What one writes first: item i is frame i of the store, out of the same memory-mapped files."""

    def __init__(self, store: EpisodeStore) -> None:
        self._episodes = [store.read(id) for id in store.ids]
        self._ends = np.cumsum([episode.frames.shape[0] * episode.frames.shape[1] for episode in self._episodes])
        self._starts = [0, *self._ends[:-1].tolist()]

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Any:
        episode, view, step = self._at(index)
        return torch.from_numpy(episode.frames[view, step].copy())

    def _at(self, index: int) -> tuple[Episode, int, int]:
        number = int(self._ends.searchsorted(index, side="right"))
        episode = self._episodes[number]
        view, step = divmod(index - self._starts[number], episode.frames.shape[1])
        return episode, view, step


class Samples(Frames):
    """Item i is all that :class:`Clips` holds of frame i: frame, action, proprioception, state, success."""

    def __getitem__(self, index: int) -> Any:
        episode, view, step = self._at(index)
        frame, proprio, state = (
            torch.from_numpy(values.copy())
            for values in (episode.frames[view, step], episode.proprio[step], episode.state[step])
        )
        action = torch.from_numpy(episode.action[min(step, len(episode.action) - 1)].copy())
        return frame, action, proprio, state, episode.meta["success"]


def sampler_figures(store: EpisodeStore, rounds: int, turns: int, batches: int) -> dict[str, Figure]:
    """Random batches of 256 frames with action, proprioception, state, success: the same tensors from both.

    `..._frames_alone` is the comparison least kind to us: a DataLoader that fetches frames and nothing else, ours all.
    """
    works = {
        "theirs": loaded(Samples(store), batches),
        "frames": loaded(Frames(store), batches),
        "ours": gathered(store, batches),
    }
    cost = cpu_seconds(works, rounds, turns)
    return {
        "sampler_vs_dataloader": ratio(cost["theirs"], cost["ours"]),
        "sampler_vs_dataloader_frames_alone": ratio(cost["frames"], cost["ours"]),
        "sampler_batch_ms": milliseconds(cost["ours"]),
        "dataloader_batch_ms": milliseconds(cost["theirs"]),
        "dataloader_frames_alone_batch_ms": milliseconds(cost["frames"]),
        "sampler_frames_per_cpu_second": per_second(cost["ours"], each=BATCH),
    }


def gathered(store: EpisodeStore, batches: int) -> Work:
    """Return the work of so many batches by :meth:`EpisodeStore.clips`, each from its own seed, as in `fit`."""

    def work() -> int:
        for step in range(batches):
            store.clips(random_frames(store.layout, numpy_rng(0, step), BATCH))
        return batches

    return work


def loaded(items: Frames, batches: int) -> Work:
    """Return the work of so many batches by torch's DataLoader in this process, shuffled, default collate."""
    loader = DataLoader(items, BATCH, shuffle=True, num_workers=0, drop_last=True)
    endless = chain.from_iterable(repeat(loader))

    def work() -> int:
        for _ in range(batches):
            next(endless)
        return batches

    return work


# -- training ---------------------------------------------------------------------------------------------------------
def training_figures(store: EpisodeStore, folder: Path, rounds: int, steps: int) -> dict[str, Figure]:
    """Steps of `fit` on the default TCN (batch, augmentation, forward, backward, optimiser) over bare convolutions."""
    flops, frames, shapes = measured_batch(store)
    bare, bare_flops = convolutions(shapes, repeats=2)
    spent, roof = [], []
    bare()
    for index in range(rounds):
        spent.append(seconds_a_step(store, folder / f"fit-{index}", steps))
        start = time.process_time()
        units = sum(bare() for _ in range(max(1, steps // 4)))
        roof.append((time.process_time() - start) / units)
    speed, roof_speed = flops / np.array(spent) / 1e9, bare_flops / np.array(roof) / 1e9
    return {
        "train_over_roofline": from_rounds((speed / roof_speed).tolist(), "ratio"),
        "train_gflops": from_rounds(speed.tolist(), "GFLOP/s", np.median),
        "convolution_gflops": from_rounds(roof_speed.tolist(), "GFLOP/s", np.median),
        "train_step_ms": milliseconds(spent),
        "train_frames_per_cpu_second": per_second(spent, each=frames),
    }


def seconds_a_step(store: EpisodeStore, run: Path, steps: int) -> float:
    """Return the mean CPU seconds from one step's pick to the next in a real `fit`; the first two warm up."""
    objective = build_objective(ObjectiveSpec())
    ticks: list[float] = []
    plain = objective.pick

    def pick(layout: Layout, rng: np.random.Generator) -> Pick:
        ticks.append(time.process_time())
        return plain(layout, rng)

    objective.pick = pick  # type: ignore[method-assign]
    fit(objective, store, run, FitConfig(steps=steps + 3, warmup=1, device="cpu", progress=False))
    return float(np.mean(np.diff(ticks)[2:]))


def measured_batch(store: EpisodeStore) -> tuple[int, int, dict[nn.Conv2d, torch.Size]]:
    """Return one training step's FLOPs (forward and backward), its frames, and each convolution's input shape."""
    objective = build_objective(ObjectiveSpec()).train()
    clips = store.clips(objective.pick(store.layout, numpy_rng(0, 0)))
    shapes: dict[nn.Conv2d, torch.Size] = {}
    for module in objective.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, inputs, __, conv=module: shapes.update({conv: inputs[0].shape}))
    return step_flops(objective, clips), clips.frames.shape[:3].numel(), shapes


def step_flops(objective: Objective, clips: Clips) -> int:
    """Return the FLOPs of one step's loss and its gradient: matrix products and convolutions, as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        objective.loss(clips, torch_rng(0, 0)).value.backward()
    return counter.get_total_flops()


def convolutions(shapes: dict[nn.Conv2d, torch.Size], repeats: int) -> tuple[Work, int]:
    """Return the work of the bare convolutions, forward and backward, in the faster memory format, and its FLOPs.

    The first needs no gradient of its input, as in training. One unit of work is one pass over all of them.
    """
    choices = [_convolutions(shapes, layout, repeats) for layout in (torch.contiguous_format, torch.channels_last)]
    seconds = cpu_seconds(dict(zip("ab", choices, strict=True)), rounds=1, turns=3)
    work = choices[int(np.argmin([min(seconds[name]) for name in "ab"]))]
    with FlopCounterMode(display=False) as counter:
        units = work()
    return work, counter.get_total_flops() // units


def _convolutions(shapes: dict[nn.Conv2d, torch.Size], layout: torch.memory_format, repeats: int) -> Work:
    rng = torch.Generator().manual_seed(0)
    cases = []
    for index, (conv, shape) in enumerate(shapes.items()):
        image = torch.rand(shape, generator=rng).contiguous(memory_format=layout).requires_grad_(index > 0)
        weight = conv.weight.detach().clone(memory_format=layout).requires_grad_()
        with torch.no_grad():
            gradient = torch.ones_like(functional.conv2d(image, weight, None, conv.stride, conv.padding))
        cases.append((image, weight, conv.stride, conv.padding, gradient))

    def work() -> int:
        for _ in range(repeats):
            for image, weight, stride, padding, gradient in cases:
                output = functional.conv2d(image, weight, None, stride, padding)
                torch.autograd.grad(output, [image, weight] if image.requires_grad else [weight], gradient)
        return repeats

    return work
