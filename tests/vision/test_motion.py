from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from films import sliding, still, store_of, texture

from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore
from vision.motion import Motion, flows, speeds_px


def motion_of(store: EpisodeStore) -> Motion:
    motion = Motion()
    motion.prepare(store)
    return motion


def test_flow_is_where_pixels_go_without_the_cameras_own_motion() -> None:
    path = np.stack([np.full(4, 10), 6 + 2 * np.arange(4)], axis=1)
    film = sliding(np.random.default_rng(0), path, square_px=12)
    for step, flow in enumerate(flows(film)):
        x, y = np.median(flow[11:21, 7 + 2 * step : 17 + 2 * step].reshape(-1, 2), axis=0)
        assert (x, y) == (pytest.approx(2, abs=0.4), pytest.approx(0, abs=0.4))
    wide = texture(np.random.default_rng(1), 32, 44)
    panned = np.stack([wide[:, step : step + 32] for step in range(6)])
    for flow in flows(panned):
        assert np.median(flow[..., 0]) == pytest.approx(-1, abs=0.2) and np.median(speeds_px(flow)) < 0.2


def test_windows_are_drawn_by_how_much_they_move_and_never_cross_an_end(tmp_path: Path) -> None:
    moves = np.minimum(np.maximum(np.arange(12) - 6, 0), 4)  # from frame 6 to 10
    path = np.stack([np.full(12, 10), 4 + 2 * moves], axis=1)
    large = still(0).repeat(2, axis=1).repeat(2, axis=2)
    store = store_of(tmp_path, [large, sliding(np.random.default_rng(0), path), large[:3]])
    motion = motion_of(store)
    windows = motion.windows(store.layout, np.random.default_rng(0), 4000, 4)
    assert (windows.start + 4 <= store.lengths[windows.episode]).all() and (windows.view == 0).all()
    assert (windows.episode == 1).mean() > 0.99  # the still one is possible, and as good as never drawn
    moved = motion.of[1][0]
    assert moved.dtype == np.float64  # sums over hours of video lose little motion in less
    wanted = np.array([moved[start : start + 3].sum() for start in range(9)])
    np.testing.assert_allclose(np.bincount(windows.start, minlength=9) / 4000, wanted / wanted.sum(), atol=0.03)


def test_every_view_of_every_episode_is_drawn_where_nothing_moves(tmp_path: Path) -> None:
    store = store_of(tmp_path, [np.stack([still(view), still(2 + view)]) for view in range(3)])
    windows = motion_of(store).windows(store.layout, np.random.default_rng(0), 2000, 20)
    drawn = set(zip(windows.episode.tolist(), windows.view.tolist(), strict=True))
    assert drawn == {(episode, view) for episode in range(3) for view in range(2)}
    assert (windows.start == 0).all()


def test_what_is_too_short_or_not_known_is_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path / "large", [still(0)])
    with pytest.raises(InputError, match="the longest episode has 20 frames; allowed are 21 or more"):
        motion_of(store).windows(store.layout, np.random.default_rng(0), 3, 21)
    with pytest.raises(InputError, match="call the task's prepare"):
        Motion().windows(store.layout, np.random.default_rng(0), 3, 5)
    with pytest.raises(InputError, match="frames are 8 x 16 px; allowed are 12 or more"):
        motion_of(store_of(tmp_path / "small", [still(0)[:, :8]]))


def test_windows_of_another_store_are_refused(tmp_path: Path) -> None:
    ours, other = (store_of(tmp_path / str(view), [np.stack([still(view)])]) for view in range(2))
    with pytest.raises(InputError, match="call the task's prepare"):
        motion_of(ours).windows(other.layout, np.random.default_rng(0), 1, 4)
