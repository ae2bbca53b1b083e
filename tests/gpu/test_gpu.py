"""Training and acting on a GPU: skipped where torch finds none, and run by nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.grasping.value import build_value
from envs.grasps import collect_grasps
from envs.grasps_config import GraspsConfig
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import Interrupted
from sslctrl.fit import FitConfig, fit
from sslctrl.imagining import Imagining
from sslctrl.objective import Objective
from sslctrl.rng import torch_rng
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective, load_embedding, objective_names
from vision.image_task import ImageTask
from vision.train import write_pictures

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
CONFIG = FitConfig(steps=6, warmup=2, checkpoint_every=3, log_every=2, progress=False, device="cuda", seed=7)


def build(name: str) -> Objective:
    options = {"size_px": 32} if name in EMBEDDINGS.names() else {}
    return build_objective(ObjectiveSpec(name, options, "conv", {"widths": [8, 12], "strides": [2, 2]}))


@pytest.mark.parametrize("name", objective_names())
def test_every_objective_trains_on_the_gpu_and_opens_on_the_cpu(
    name: str, tiny_store: EpisodeStore, tmp_path: Path
) -> None:
    objective = build(name)
    start = objective.backbone.state_dict()
    before = {key: value.clone() for key, value in start.items()}
    path = fit(objective, tiny_store, tmp_path / "run", CONFIG)
    weights = objective.backbone.state_dict()
    assert all(value.is_cuda for value in weights.values())
    assert any(not torch.equal(before[key], value.cpu()) for key, value in weights.items())
    if not isinstance(objective, Embedding):
        write_pictures(tmp_path, objective, tiny_store, seed=0)
        return
    opened = load_embedding(path)
    assert isinstance(opened, Embedding) and opened.device.type == "cpu"
    video = tiny_store.read(tiny_store.ids[0]).frames[0]
    here, there = opened.embed_video(video), objective.embed_video(video)
    np.testing.assert_allclose(there, here, atol=0.02 * np.abs(here).max())  # TF32 in convolutions
    np.testing.assert_array_equal(opened.cuda().embed_video(video), there)


def test_a_picture_of_image_and_depth_is_made_on_the_gpu(tiny_store: EpisodeStore) -> None:
    task = build_objective(ObjectiveSpec("split_brain", {"split": "rgbd"})).cuda()
    assert isinstance(task, ImageTask)
    clips = tiny_store.clips(task.pick(tiny_store.layout, np.random.default_rng(0))._replace(depth=False))
    deep = clips._replace(depth=torch.ones(clips.frames.shape[:3] + clips.frames.shape[-2:]))
    assert task.shown(deep, torch_rng(0, 0, device="cuda")).is_cuda


@pytest.mark.parametrize("name", ["tcn", "cc_vae"])
def test_a_stopped_run_goes_on(name: str, tiny_store: EpisodeStore, tmp_path: Path, monkeypatch) -> None:
    objective = build(name)
    calls, real = [], type(objective).loss

    def stops(*given):
        calls.append(1)
        if len(calls) == 4:
            raise Interrupted("stopped")
        return real(*given)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(type(objective), "loss", stops)
        fit(objective, tiny_store, tmp_path / "run", CONFIG)
    again = build(name)
    assert fit(again, tiny_store, tmp_path / "run", CONFIG).name == "step-00000006"
    straight, begun = build(name), weights_of(build(name))
    fit(straight, tiny_store, tmp_path / "straight", CONFIG)
    moved, apart = weights_of(straight) - begun, weights_of(again) - weights_of(straight)
    assert apart.norm() < 0.15 * moved.norm()  # sums on a GPU come in any order


def weights_of(objective: Objective) -> torch.Tensor:
    """All that learns, as one vector."""
    return torch.cat([value.detach().cpu().flatten() for value in objective.parameters()])


@pytest.mark.parametrize("name", ["vae", "cc_vae", "autoencoder"])
def test_goals_are_imagined_on_the_gpu(name: str, tiny_store: EpisodeStore, tmp_path: Path) -> None:
    embedding = build(name)
    assert isinstance(embedding, Imagining)
    fit(embedding, tiny_store, tmp_path, replace(CONFIG, steps=3))
    z = embedding.goals.sample(5, torch.Generator().manual_seed(0))
    frames = np.stack([tiny_store.read(tiny_store.ids[0]).frames[0, 0]] * 5)
    shown = embedding.decode(z, torch.from_numpy(frames).movedim(-1, 1))
    assert shown.shape == (5, 3, 32, 32) and shown.dtype == torch.uint8


@pytest.mark.parametrize("labels", ["oracle", "pl_aux_es"])
def test_the_value_of_grasps_is_learned_on_the_gpu(labels: Any, tmp_path: Path) -> None:
    grasps = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=30, size_px=32, workers=1))
    goals = build("grasp2vec")
    assert isinstance(goals, Embedding)
    value = build_value(goals, labels)
    fit(value, grasps, tmp_path / "run", CONFIG)
    assert value.device.type == value.goals.device.type == "cuda"
    before, _, outcome = grasps.read(grasps.ids[0]).frames[0]
    place, _ = value.best(before, torch.from_numpy(goals.embed_hwc(outcome[None])[0]))
    assert place.shape == (2,)
