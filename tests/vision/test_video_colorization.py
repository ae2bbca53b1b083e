from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from films import net, sliding, store_of, texture

from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from vision.propagation import marked_points, point_marks, propagate
from vision.video import video_colorization
from vision.video.video_colorization import VideoColorization


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def films(root: Path) -> EpisodeStore:
    walk = np.stack([np.full(12, 4), 2 + np.arange(12)], axis=1)
    return store_of(root, [sliding(np.random.default_rng(seed), walk, 24, 8) for seed in range(3)])


def prepared(store: EpisodeStore, **options) -> VideoColorization:
    task = VideoColorization(net(), **({"batch": 3, "dim": 8, "targets": 20, "clusters": 5} | options)).eval()
    task.prepare(store)
    return task


@pytest.mark.parametrize(("training", "temperature"), [(True, 1.0), (False, 0.5)])
def test_loss_is_the_naive_loop(tmp_path: Path, training: bool, temperature: float) -> None:
    store = films(tmp_path)
    task = prepared(store, references=2)
    features_of = task.features
    task.features = lambda frames: fixed  # pyright: ignore[reportAttributeAccessIssue]
    task.train(training)
    clips = store.clips(task.pick(store.layout, np.random.default_rng(0)))
    question = task.ask(clips, rng())
    features = fixed = features_of(question.frames).detach()
    _, _, dim, height, width = features.shape
    colors = task.clustered(question.ab, (height, width))
    costs = []
    for clip in range(3):
        places = [(frame, row, column) for frame in range(2) for row in range(height) for column in range(width)]
        of = torch.stack([features[clip, frame, :, row, column] for frame, row, column in places])
        for draw in question.draws[clip].tolist():
            row, column = divmod(int(draw * height * width), width)
            pointed = (of @ features[clip, 2, :, row, column] / temperature).softmax(0)
            share = sum(
                float(weight)
                for weight, place in zip(pointed, places, strict=True)
                if colors[(clip, *place)] == colors[clip, 2, row, column]
            )
            costs.append(-np.log(max(share, 1e-6)))
    assert dim == 8
    assert task.judge(question).value.item() == pytest.approx(np.mean(costs), rel=1e-3)


def test_colours_are_found_once_and_belong_to_the_net(tmp_path: Path) -> None:
    store = films(tmp_path / "one")
    task = prepared(store)
    found = task.colors.clone()
    assert torch.equal(prepared(store).colors, found) and len(found.unique(dim=0)) == 5
    task.prepare(store_of(tmp_path / "other", [np.full((12, 24, 24, 3), 200, np.uint8)]))
    assert torch.equal(task.colors, found)  # those of its training, whatever it is shown later


def test_black_and_white_film_is_refused(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (12, 24, 24, 1), np.uint8).repeat(3, axis=3)
    with pytest.raises(InputError, match=r"has no colour: a and b of Lab deviate by .*or another task"):
        prepared(store_of(tmp_path, [grey]))


def test_pictures_of_large_frames_need_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, store = prepared(films(tmp_path)), films(tmp_path / "again")
    clips = store.clips(task.pick(store.layout, np.random.default_rng(0)))
    monkeypatch.setattr(video_colorization, "_SHOWN_PLACES", 6)
    followed = []
    monkeypatch.setattr(
        video_colorization, "propagate", lambda maps, marks: followed.append(maps.shape) or propagate(maps, marks)
    )
    assert task.show(clips, rng()).shape[-2:] == clips.frames.shape[-2:]
    assert {shape[-2:] for shape in followed} == {(6, 6)}


def test_marked_is_where_the_moving_thing_was_and_not_where_it_goes() -> None:
    frames = torch.zeros(4, 3, 32, 32)
    for step, frame in enumerate(frames):
        frame[:, 8:14, 4 + 7 * step : 10 + 7 * step] = 1
    moving, points = video_colorization._marks(frames)
    assert torch.equal(moving, frames[0, 0]) and len(points)
    assert points[:, 0].max() * 32 < 11  # corners of the square that was there


def test_the_net_is_shown_no_colour(tmp_path: Path) -> None:
    store = films(tmp_path)
    task = prepared(store)
    question = task.ask(store.clips(task.pick(store.layout, np.random.default_rng(0))), rng())
    assert torch.equal(question.frames[:, :, 0], question.frames[:, :, 1])
    assert torch.equal(question.frames[:, :, 0], question.frames[:, :, 2]) and question.ab.abs().max() > 5


def test_the_map_is_32_by_32_of_64_px() -> None:
    from vision.backbones.conv import Conv

    task = VideoColorization(Conv())
    assert task.features(torch.zeros(1, 1, 3, 64, 64)).shape == (1, 1, 64, 32, 32)


def test_copying_in_place_is_no_gain_and_following_is(tmp_path: Path) -> None:
    """Features that name the place copy in place; those that name the texture follow it."""
    pictures = [texture(np.random.default_rng(seed), 24, 24) for seed in range(3)]
    store = store_of(tmp_path, [np.stack([np.roll(one, step, axis=1) for step in range(12)]) for one in pictures])
    task = prepared(store, targets=400)
    clips = store.clips(task.pick(store.layout, np.random.default_rng(0)))
    question = task.ask(clips, rng())
    size = 12
    places = 50 * torch.eye(size * size).view(-1, size, size)
    here = places.expand(3, 4, -1, -1, -1).clone()
    here[:, :2] = 0  # of the references, the last alone is looked at
    task.features = lambda _: here  # pyright: ignore[reportAttributeAccessIssue]
    copied = task.judge(question).metrics
    assert copied["accuracy_over_copying"] == 0 and copied["accuracy_where_changed"] == 0
    moved = torch.stack([places.roll(frame, dims=2) for frame in range(4)])  # 2 px from one to the next
    task.features = lambda _: moved.expand(3, -1, -1, -1, -1)  # pyright: ignore[reportAttributeAccessIssue]
    followed = task.judge(question).metrics
    changed = 1 - copied["accuracy"].item()
    assert followed["accuracy_over_copying"].item() == pytest.approx(changed) and changed > 0.2
    assert followed["accuracy_where_changed"] == 1


def shifted_features(steps: int = 6, side: int = 16) -> torch.Tensor:
    """Every place has features of its own, which go one column to the right each frame."""
    base = 5 * torch.nn.functional.normalize(torch.randn(32, side, side + steps, generator=rng()), dim=0)
    return torch.stack([base[:, :, steps - step : steps - step + side] for step in range(steps)])


def test_masks_and_points_go_where_their_features_go() -> None:
    features = shifted_features(steps=5)
    mask = torch.zeros(1, 16, 16)
    mask[0, 5:9, 3:7] = 1
    points = torch.tensor([[10.5 / 16, 6.5 / 16], [9.5 / 16, 11.5 / 16]])
    found = propagate(features, torch.cat([mask, point_marks(points, 16, 16)]), top_k=1)
    for step in range(5):
        known = np.s_[:, step:]  # further left is what the first frame did not show
        assert torch.equal(found[step, 0][known] > 0.5, mask[0].roll(step, dims=1)[known] > 0.5)
        np.testing.assert_allclose(marked_points(found[step, 1:]), points + torch.tensor([step / 16, 0]), atol=0.02)


def test_nothing_is_found_beyond_the_radius() -> None:
    features = shifted_features(steps=2)
    far = torch.stack([features[0], features[0].roll(8, dims=2)])
    mask = torch.zeros(1, 16, 16)
    mask[0, 5:9, 3:7] = 1
    assert torch.equal(propagate(far, mask, top_k=1, radius=0.6)[1, 0] > 0.5, mask[0].roll(8, dims=1) > 0.5)
    assert not torch.equal(propagate(far, mask, top_k=1, radius=0.2)[1, 0] > 0.5, mask[0].roll(8, dims=1) > 0.5)


def test_what_was_hidden_for_longer_than_is_remembered_is_found_by_the_first_frame() -> None:
    thing, ground = torch.eye(2)[:, :, None, None]
    mask = torch.zeros(1, 8, 8)
    mask[0, 2:4, 3:6] = 1
    shown, hidden = torch.where(mask > 0, thing, ground), ground.expand(2, 8, 8)
    found = propagate(torch.stack([shown, *[hidden] * 4, shown]), mask, recent=3, top_k=1)
    assert not found[1:5].any() and torch.equal(found[5], mask)


def test_marks_of_several_are_means_by_likeness() -> None:
    cosines = torch.tensor([0.1, 0.8, 0.9])
    features = torch.zeros(2, 2, 1, 3)
    features[0, :, 0] = torch.stack([cosines, (1 - cosines**2).sqrt()]) * torch.tensor([9.0, 2.0, 1.0])
    features[1, 0] = 3.0  # longer or shorter, they point the same way
    marks = torch.tensor([[[10.0, 20.0, 40.0]]])
    two = cosines[1:].div(0.1).softmax(0)
    found = propagate(features, marks, top_k=2, radius=9, temperature=0.1)
    assert found[1, 0, 0, 0].item() == pytest.approx(float(20 * two[0] + 40 * two[1]), rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"references": 0}, {"every": 0}, {"dim": 0}, {"enlarge": 0}, {"clusters": 1}, {"clusters": 257}]
)
def test_bad_options_are_refused(options: dict) -> None:
    (name,) = options
    with pytest.raises(InputError, match=f"{name} {options[name]}|{name} is {options[name]}"):
        VideoColorization(net(), **options)


def test_marks_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="marks"):
        propagate(torch.zeros(2, 3, 4, 4), torch.zeros(1, 5, 4))
