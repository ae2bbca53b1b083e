from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from films import net, sliding, still, store_of, texture

from sslctrl.clips import Clips
from sslctrl.errors import InputError
from vision import tracks as module
from vision.things import Things
from vision.tracks import Tracks, mine
from vision.video.facenet_triplet import FacenetTriplet


def walks(seed: int, count: int = 16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    start, speed = rng.integers(4, 8, 2), rng.integers([0, 1], [2, 3])
    return start + np.arange(count)[:, None] * speed


def test_a_track_stays_on_what_moves(tmp_path: Path) -> None:
    films = [sliding(np.random.default_rng(seed), walks(seed), size_px=48, square_px=12) for seed in range(4)]
    tracks = mine(store_of(tmp_path, films), frames=12, side=0.4)
    assert len(tracks) >= 4 and tracks.length.min() >= 5 and tracks.side_px == 19
    for episode, start, length, corner in zip(tracks.episode, tracks.start, tracks.length, tracks.corner, strict=True):
        thing = walks(episode)[start : start + length]
        off = corner[:length] - thing
        assert np.abs(off - off[0]).max() <= 3  # px, in up to 11 steps
        assert ((off[0] > -19) & (off[0] < 12)).all()  # the patch shows some of it
        assert np.linalg.norm(corner[length - 1] - corner[0]) >= 19 / 4
        assert (corner[length:] == corner[length - 1]).all()


def test_a_camera_that_moves_carries_no_track_away(tmp_path: Path) -> None:
    """The ground goes 3 px to the left each frame, and the thing 2 px to the right of where it was on the picture."""
    films = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        ground, thing = texture(rng, 96, 160) // 2, 100 + texture(rng, 28, 28) // 2
        film = np.stack([ground[:, 3 * step : 3 * step + 96] for step in range(12)])
        for step, frame in enumerate(film):
            frame[40:68, 10 + 2 * step : 38 + 2 * step] = thing
        films.append(film)
    tracks = mine(store_of(tmp_path, films), frames=10, side=0.3)
    on_it = (np.abs(tracks.corner[:, 0] - [40, 10]) < 20).all(1)  # what they begin with is the thing
    assert on_it.sum() >= 3
    for corner, length in zip(tracks.corner[on_it], tracks.length[on_it], strict=True):
        np.testing.assert_allclose((corner[length - 1] - corner[0]) / (length - 1), [0, 2], atol=0.6)


def test_a_patch_all_of_which_moves_is_of_no_track(tmp_path: Path) -> None:
    path = np.stack([np.full(12, 12), 4 + 2 * np.arange(12)], axis=1)
    films = [sliding(np.random.default_rng(seed), path, size_px=96, square_px=48) for seed in range(3)]
    tracks = mine(store_of(tmp_path, films), frames=12, side=0.2)
    assert len(tracks) > 3 and tracks.side_px == 19
    into = tracks.corner[:, 0] - path[tracks.start]  # the thing
    assert ((into < 3) | (into > 48 - 19 - 3)).any(1).all()  # at its edge, to 3 px, and never in its middle


def test_a_patch_a_tenth_of_which_moves_is_of_no_track(tmp_path: Path) -> None:
    path = np.stack([np.full(12, 20), 4 + 2 * np.arange(12)], axis=1)
    store = store_of(tmp_path, [sliding(np.random.default_rng(0), path, size_px=64, square_px=4)])
    with pytest.raises(InputError, match="nothing in"):
        mine(store, frames=12, side=0.3)  # of 19 px; what moves is a pixel more on each side
    assert len(mine(store, frames=12, side=0.15)) > 0


@pytest.mark.parametrize("times", [0.0, 0.3, 2.0])
def test_a_track_whose_way_back_leads_elsewhere_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    path = np.stack([np.full(12, 30), 4 + 3 * np.arange(12)], axis=1)
    store = store_of(tmp_path, [sliding(np.random.default_rng(0), path, size_px=64, square_px=14)])
    assert len(mine(store, frames=12, side=0.3)) > 0
    there = module.flows
    monkeypatch.setattr(  # as if the film, run backwards, went so many times as fast
        module, "flows", lambda film: (flow * (times if film.strides[0] < 0 else 1) for flow in there(film))
    )
    with pytest.raises(InputError, match="nothing in"):
        mine(store, frames=12, side=0.3)


def test_a_long_film_is_looked_at_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = np.stack([np.full(60, 10), 4 + np.abs((np.arange(60) % 40) - 20)], axis=1)
    store = store_of(tmp_path, [sliding(np.random.default_rng(0), path, 48, 12)])
    whole = mine(store, frames=12, side=0.4)
    monkeypatch.setattr(module, "_PART", 12)
    parts = mine(store, frames=12, side=0.4)
    assert len(whole) > 3
    for one, other in zip(vars(whole).values(), vars(parts).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_tracks_apart_are_of_other_episodes_or_seen_side_by_side() -> None:
    one = np.array
    tracks = Tracks(
        episode=one([0, 0, 0, 0, 1]), view=one([0, 0, 0, 1, 0]), start=one([0, 2, 8, 0, 0]), length=one([5] * 5),
        corner=np.stack([np.full((5, 2), at) for at in (0, 10, 0, 20, 0)]), side_px=10,
    )  # fmt: skip
    allowed = {
        frozenset(pair) for pair in [(0, 1), *((4, other) for other in range(4))]
    }  # 0 and 1: together in frames 2 to 4, 10 px apart; 2 is seen later; 3 is in another view
    found = [tracks.set_apart(np.random.default_rng(seed), 5).tolist() for seed in range(50)]
    assert all(frozenset((a, b)) in allowed for chosen in found for a in chosen for b in chosen if a != b)
    assert any(sorted(chosen) == [0, 1, 4] for chosen in found)
    alone = tracks.start == 8  # it is seen with none of its own film: without another film it has no partner
    kept = ~alone & (tracks.episode == 0) & (tracks.view == 0) | alone
    film = Tracks(*(part[kept] for part in (tracks.episode, tracks.view, tracks.start, tracks.length)),
                  corner=tracks.corner[kept], side_px=10)  # fmt: skip
    assert all(sorted(film.set_apart(np.random.default_rng(seed), 2).tolist()) == [0, 1] for seed in range(20))
    two = (part[:2] for part in (tracks.episode, tracks.view, tracks.start, tracks.length))
    touching = Tracks(*two, corner=np.stack([np.full((5, 2), at) for at in (0, 9)]), side_px=10)
    with pytest.raises(InputError, match="2 moving things that may all be one"):
        touching.set_apart(np.random.default_rng(0), 2)


def test_patches_are_cut_where_the_labels_say_and_framed_there() -> None:
    things = Things(net(), frames=8, side=0.25, dim=4)
    video = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    corner = torch.tensor([[[0, 0], [3, 5]], [[12, 12], [1, 2]]])
    patches = things.patches(video, corner)
    assert patches.shape == (2, 2, 3, 8, 8)
    torch.testing.assert_close(
        patches[0, 1], torch.nn.functional.interpolate(video[:1, 1, :, 3:7, 5:9], size=(8, 8), mode="bilinear")[0]
    )
    framed = things.show(net(), video, corner)[0, 1]  # row 0: first frames; column 1
    red = (framed == torch.tensor([1.0, 0, 0])[:, None, None]).all(0)
    assert red[12:, 12:].sum() == 12 and red.sum() == 12 and not red[13:15, 13:15].any()


@pytest.mark.parametrize("corner", [[[[0, 0]]], [[[0, 0], [13, 0]]], [[[-1, 0], [0, 0]]]])
def test_corners_outside_are_refused(corner) -> None:
    task = FacenetTriplet(net(), side=0.25)
    clips = Clips(torch.zeros(1, 1, 2, 3, 16, 16, dtype=torch.uint8), label=torch.tensor(corner))
    with pytest.raises(InputError, match="the corner of a patch of 4 px in each frame, inside it"):
        task.loss(clips, torch.Generator())


def test_a_store_where_nothing_moves_has_no_tracks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing in .* moves through 5 frames"):
        mine(store_of(tmp_path, [still(0), still(1)]), frames=10, side=0.3)
