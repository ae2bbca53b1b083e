"""What every objective promises, pretext task or embedding; a new file in a registry is tested here without an edit."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sslctrl import checkpoint
from sslctrl.clips import Clips
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.fit import FitConfig, fit
from sslctrl.objective import Loss, Objective
from sslctrl.registry import Registry
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective, load_embedding, load_objective, objective_names
from vision.image import IMAGE_TASKS
from vision.image_task import ImageTask, tiled
from vision.video import VIDEO_TASKS
from vision.video_task import VideoTask

SIZE_PX = 32
BACKBONE = {"widths": [8, 12], "strides": [2, 2]}


def options_of(registry_name: str) -> dict:
    return {"size_px": SIZE_PX} if registry_name in EMBEDDINGS.names() else {}


def build(name: str, seed: int = 0) -> Objective:
    return build_objective(ObjectiveSpec(name, options_of(name), "conv", BACKBONE, seed=seed))


def batch(objective: Objective, store: EpisodeStore, seed: int = 0) -> Clips:
    return store.clips(objective.pick(store.layout, np.random.default_rng(seed)))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=objective_names())
def objective(request, tiny_store) -> Objective:
    built = build(request.param).train()
    built.prepare(tiny_store)
    return built


@pytest.fixture(params=IMAGE_TASKS.names())
def image_task(request) -> ImageTask:
    built = build(request.param)
    assert isinstance(built, ImageTask)
    return built


@pytest.fixture(params=VIDEO_TASKS.names())
def video_task(request, tiny_store) -> VideoTask:
    built = build(request.param)
    assert isinstance(built, VideoTask)
    built.prepare(tiny_store)
    return built


@pytest.fixture(params=EMBEDDINGS.names())
def embedding(request) -> Embedding:
    built = build(request.param)
    assert isinstance(built, Embedding)
    return built


def test_the_loss_is_a_finite_scalar_and_metrics_are_detached(objective, tiny_store) -> None:
    loss = objective.loss(batch(objective, tiny_store), rng())
    assert isinstance(loss, Loss) and loss.value.shape == () and torch.isfinite(loss.value)
    assert loss.value.requires_grad
    for name, value in loss.metrics.items():
        assert not value.requires_grad and value.shape == () and torch.isfinite(value), name


def test_same_rng_same_pick_same_loss(objective, tiny_store) -> None:
    first, again = (objective.pick(tiny_store.layout, np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    clips = tiny_store.clips(first)
    state = copy.deepcopy(objective.state_dict())
    torch.manual_seed(0)
    one = objective.loss(clips, rng(1)).value
    objective.load_state_dict(state)  # what batch norm has counted is part of it
    torch.manual_seed(1)  # the global generator must not matter
    assert torch.equal(one, objective.loss(clips, rng(1)).value)


def test_the_pick_lies_in_the_store_whatever_the_rng(objective, tiny_store) -> None:
    for seed in range(20):
        batch(objective, tiny_store, seed)  # clips() refuses a pick outside


def test_the_loss_leaves_the_clips_as_they_were(objective, tiny_store) -> None:
    clips = batch(objective, tiny_store)
    before = clips.frames.clone()
    objective.loss(clips, rng()).value.backward()
    assert torch.equal(clips.frames, before)


def test_gradient_reaches_every_parameter(objective, tiny_store) -> None:
    reached: dict[str, bool] = {}
    for seed in range(5):  # a ReLU may be silent on one batch
        objective.zero_grad()
        objective.loss(batch(objective, tiny_store, seed), rng(seed)).value.backward()
        for name, value in objective.named_parameters():
            reached[name] = reached.get(name, False) or (value.grad is not None and bool(value.grad.any()))
    assert [name for name, yes in reached.items() if not yes] == []


def test_twenty_steps_on_one_batch_lower_the_loss(objective, tiny_store) -> None:
    clips = batch(objective, tiny_store)
    optimizer = torch.optim.Adam(objective.parameters(), 3e-3)
    losses, two_players = [], False
    for _ in range(21):
        optimizer.zero_grad()
        loss = objective.loss(clips, rng())
        loss.value.backward()
        optimizer.step()
        two_players = "discriminator" in loss.metrics and "generator" in loss.metrics
        losses.append((loss.metrics["discriminator"] if two_players else loss.value).item())
    # what one of two players wins, the other loses, and wins back: the discriminator was ahead once
    assert (min(losses) if two_players else losses[-1]) < losses[0]


@pytest.mark.parametrize("shape", [(3, SIZE_PX, SIZE_PX), (1, 2, 2, SIZE_PX, SIZE_PX, 3), (1, 2, 2, 1, 32, 32)])
def test_wrong_shapes_are_refused(objective, shape) -> None:
    with pytest.raises(InputError):
        objective.loss(Clips(torch.zeros(shape, dtype=torch.uint8)), rng())


def test_floats_are_refused(objective, tiny_store) -> None:
    with pytest.raises(InputError, match="uint8"):
        objective.loss(Clips(batch(objective, tiny_store).frames.float()), rng())


def test_a_task_on_images_shows_what_it_learned(image_task, tiny_store) -> None:
    images = image_task.images(tiny_store.clips(random_frames(tiny_store.layout, np.random.default_rng(0), 6)))
    shown = image_task.eval().show(images, rng())
    assert shown.ndim == 5 and shown.shape[1:3] == (6, 3) and torch.isfinite(shown).all() and not shown.requires_grad
    assert torch.equal(shown, image_task.show(images, rng()))
    assert image_task.shows.endswith(".") and tiled(shown).dtype == torch.uint8


def test_a_task_on_video_shows_what_it_learned(video_task, tiny_store) -> None:
    clips = batch(video_task, tiny_store)
    shown = video_task.eval().show(clips, rng())
    assert shown.ndim == 5 and shown.shape[2] == 3 and torch.isfinite(shown).all() and not shown.requires_grad
    assert torch.equal(shown, video_task.show(clips, rng()))
    assert video_task.shows.endswith(".") and tiled(shown).dtype == torch.uint8


def test_a_task_on_video_picks_nothing_that_it_has_not_looked_at(video_task, tiny_store, square_store) -> None:
    with pytest.raises(InputError, match="prepare"):
        build(video_task.spec.name).pick(tiny_store.layout, np.random.default_rng(0))
    with pytest.raises(InputError, match="prepare"):
        video_task.pick(square_store.layout, np.random.default_rng(0))


def test_save_and_load_round_trip(objective, tiny_store, tmp_path: Path) -> None:
    clips = batch(objective, tiny_store)
    objective.loss(clips, rng())  # moves batch norm's statistics
    checkpoint.save(tmp_path / "c", KIND, spec_of(objective), objective.state_dict(), {})
    opened = load_objective(tmp_path / "c")
    assert not opened.training and spec_of(opened) == spec_of(objective)
    assert torch.equal(opened.loss(clips, rng(2)).value, objective.eval().loss(clips, rng(2)).value)


def test_its_backbone_initialises_an_embedding(objective, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c", KIND, spec_of(objective), objective.state_dict(), {})
    spec = ObjectiveSpec("tcn", {"size_px": SIZE_PX}, "conv", BACKBONE, init=str(tmp_path / "c"), seed=9)
    started = build_objective(spec).backbone.state_dict()
    assert all(torch.equal(started[name], value) for name, value in objective.backbone.state_dict().items())


def test_embeds_frames(embedding, tiny_store, tmp_path: Path) -> None:
    video = tiny_store.read(tiny_store.ids[0]).frames[0]
    frames = embedding.history.of(video)
    tensor = torch.from_numpy(frames.copy()).movedim(-1, -3)
    embedding.train()
    z = embedding.embed(tensor)
    assert z.shape == (len(frames), embedding.dim) and z.dtype == torch.float32 and not z.requires_grad
    assert embedding.training and torch.isfinite(z).all()
    assert torch.equal(z, embedding.embed(tensor))
    torch.testing.assert_close(embedding.embed(tensor, batch=3), z, atol=1e-5, rtol=1e-4)
    one = torch.cat([embedding.embed(tensor[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(one, z[:3], atol=1e-5, rtol=1e-4)  # no frame depends on its neighbours
    np.testing.assert_array_equal(embedding.embed_hwc(frames), z.numpy())
    np.testing.assert_array_equal(embedding.embed_video(video), z.numpy())
    assert embedding.embed(tensor[:0]).shape == (0, embedding.dim)
    checkpoint.save(tmp_path / "c", KIND, spec_of(embedding), embedding.state_dict(), {})
    assert torch.equal(load_embedding(tmp_path / "c").embed(tensor), z)


def test_every_embedding_stands_on_a_frozen_backbone(embedding, tiny_store, tmp_path: Path) -> None:
    name = embedding.spec.name
    frozen = build_objective(ObjectiveSpec(name, options_of(name), "conv", BACKBONE, frozen=True))
    before = copy.deepcopy([backbone.state_dict() for backbone in frozen.backbones])
    heads = copy.deepcopy([value for value in frozen.parameters() if value.requires_grad])
    fit(frozen, tiny_store, tmp_path / "run", FitConfig(steps=2, warmup=0, device="cpu", progress=False))
    for backbone, start in zip(frozen.backbones, before, strict=True):
        assert all(torch.equal(start[key], value) for key, value in backbone.state_dict().items())
    learned = [value for value in frozen.parameters() if value.requires_grad]
    assert heads and any(not torch.equal(old, new) for old, new in zip(heads, learned, strict=True))


def test_embedding_keeps_its_state(embedding, tiny_store) -> None:
    before = {name: value.clone() for name, value in embedding.train().state_dict().items()}
    embedding.embed_video(tiny_store.read(tiny_store.ids[0]).frames[0])
    assert all(torch.equal(before[name], value) for name, value in embedding.state_dict().items())


def test_embeddings_refuse_another_size_in_training(embedding) -> None:
    with pytest.raises(InputError, match="size_px"):
        embedding.loss(Clips(torch.zeros(1, 2, 2, 3, 48, 48, dtype=torch.uint8)), rng())


@pytest.mark.parametrize("shape", [(3, SIZE_PX, SIZE_PX), (2, SIZE_PX, SIZE_PX, 3), (2, 3, 16, 16), (2, 1, 32, 32)])
def test_embed_refuses_shapes(embedding, shape) -> None:
    with pytest.raises(InputError):
        embedding.embed(torch.zeros(shape, dtype=torch.uint8))


def test_embed_refuses_dtypes_and_batches(embedding) -> None:
    moment = embedding.history.moment
    for count in (0, 2):
        with pytest.raises(InputError, match="uint8"):
            embedding.embed(torch.zeros(count, *moment, 3, SIZE_PX, SIZE_PX))
        with pytest.raises(InputError, match="uint8"):
            embedding.embed_hwc(np.zeros((count, *moment, SIZE_PX, SIZE_PX, 3), np.float32))
    with pytest.raises(InputError, match="batch"):
        embedding.embed(torch.zeros(1, *moment, 3, SIZE_PX, SIZE_PX, dtype=torch.uint8), batch=0)


def test_finish_leaves_a_usable_embedding(embedding, tiny_store) -> None:
    embedding.eval().finish(tiny_store, np.random.default_rng(0))
    z = embedding.embed_video(tiny_store.read(tiny_store.ids[0]).frames[0])
    assert np.isfinite(z).all() and np.ptp(z, axis=0).max() > 0


def test_no_name_is_taken_twice() -> None:
    names = objective_names()
    assert len(set(names)) == len(names)
    registries = (
        Registry("sslctrl.embeddings", Embedding),
        Registry("vision.image", Objective),
        Registry("vision.video", Objective),
    )
    assert set(itertools.chain.from_iterable(registry.names() for registry in registries)) == set(names)


@pytest.mark.parametrize("name", objective_names())
def test_numbers_that_cannot_be_are_one_line_or_mean_something(name: str, tiny_store: EpisodeStore) -> None:
    spec = build(name).spec
    for option, value in spec.options.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        for given in (0, -1):
            options = {**options_of(name), option: given}
            try:
                built = build_objective(ObjectiveSpec(name, options, "conv", BACKBONE)).train()
                built.prepare(tiny_store)
                value = built.loss(batch(built, tiny_store), rng()).value
            except InputError as error:
                assert "\n" not in str(error) and "allowed" in str(error)
            else:
                assert torch.isfinite(value), option


@pytest.mark.parametrize(
    ("name", "options"),
    [("tcn", {"l2": -0.1}), ("svtcn", {"margin": -1.0}), ("mftcn", {"l2": -0.1}), ("grasp2vec", {"l2": -0.1})],
)
def test_a_weight_below_nothing_is_refused(name: str, options: dict) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} is .*; allowed is 0 or more"):
        build_objective(ObjectiveSpec(name, options, "conv", BACKBONE))
