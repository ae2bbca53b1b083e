"""Slow features of an embedding whose slow, slower, fast and one-eyed parts are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sslctrl.clips import Episode
from sslctrl.slow_features import slow_features
from sslctrl.store import EpisodeStore

STEPS, VIEWS = 240, 2
MIX = np.random.default_rng(3).normal(size=(4, 4))
FAST = np.random.default_rng(4).normal(size=STEPS)
SLOW, SLOWER = 0, 1
LAG_S = 1 / 6


class Known:
    """Embeds frame (episode, step, view) as four signals, mixed: slow, slower and fainter, fast, and of one view.

    What is fast is drawn anew at every step, and what is of one view differs between the cameras.
    """

    dim = 4
    sizes = np.array([2, 1, 1, 1])

    def signals(self, frames: np.ndarray) -> np.ndarray:
        step, view, episode = (frames[:, 0, 0, channel].astype(float) for channel in range(3))
        phase = 2 * np.pi * step / STEPS + episode
        one_eyed = np.where(view, 1.0, -1.0) * (1 + 0.5 * np.sin(5 * phase))
        return np.stack([np.sin(8 * phase), np.sin(4 * phase), FAST[step.astype(int)], one_eyed], axis=1) * self.sizes

    def embed_hwc(self, frames: np.ndarray) -> np.ndarray:
        return (self.signals(frames) @ MIX.T).astype(np.float32)


@pytest.fixture
def counted(tmp_path: Path) -> EpisodeStore:
    """A store whose frames say, in red, green and blue, their step, view and episode."""
    store = EpisodeStore(tmp_path / "counted", create=True)
    for number in range(4):
        frames = np.zeros((VIEWS, STEPS, 8, 8, 3), np.uint8)
        frames[..., 0] = np.arange(STEPS)[None, :, None, None]
        frames[..., 1] = np.arange(VIEWS)[:, None, None, None]
        frames[..., 2] = number
        none, meta = np.zeros((STEPS, 0), np.float32), {"cameras": ["a", "b"], "success": False, "dt_s": 1 / 24}
        store.add(Episode(frames, none, none, none[1:], none[1:, :0].sum(1), meta))
    return store


def test_the_slower_comes_first_and_weighs_more(counted: EpisodeStore) -> None:
    rows = slow_features(Known(), counted, (), LAG_S, np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    assert (np.abs(rows).sum(axis=1) > 0).tolist() == [True, True, False, False]
    weights = np.abs(rows[:2] @ MIX) * Known.sizes  # of each signal in each feature
    assert weights[:, [2, 3]].max() < 0.1 * weights[:, [SLOW, SLOWER]].max()
    assert weights[0].argmax() == SLOWER and weights[1].argmax() == SLOW
    assert weights[0, SLOWER] ** 2 / 2 == pytest.approx(ratio_to_noise(4, steps=4) ** 2, rel=0.3)
    assert weights[1, SLOW] ** 2 / 2 == pytest.approx(ratio_to_noise(8, steps=4) ** 2, rel=0.3)


@pytest.mark.parametrize(("lag_s", "steps"), [(1 / 12, 2), (1 / 8, 3)])
def test_noise_is_of_the_lag_that_is_asked_for(lag_s: float, steps: int, counted: EpisodeStore) -> None:
    rows = slow_features(Known(), counted, ("a",), lag_s, np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    weights = np.abs(rows @ MIX) * Known.sizes
    assert weights[0, SLOWER] ** 2 / 2 == pytest.approx(ratio_to_noise(4, steps) ** 2, rel=0.4)


@pytest.mark.parametrize(("lag_s", "as_if"), [(0.001, 1 / 24), (float("inf"), (STEPS - 1) / 24)])
def test_a_lag_is_a_step_at_least_and_an_episode_at_most(lag_s: float, as_if: float, counted: EpisodeStore) -> None:
    asked, wanted = (
        slow_features(Known(), counted, (), lag, np.random.default_rng(0))  # type: ignore[arg-type]
        for lag in (lag_s, as_if)
    )
    assert asked.isfinite().all() and asked.equal(wanted)


def ratio_to_noise(k: int, steps: int) -> float:
    """Return the variance of sin(k phase), 1/2, over that of its change in so many steps."""
    return 0.25 / np.sin(k * (2 * np.pi * steps / STEPS) / 2) ** 2


def test_one_camera_is_enough(counted: EpisodeStore) -> None:
    rows = slow_features(Known(), counted, ("a",), LAG_S, np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    weights = np.abs(rows @ MIX) * Known.sizes
    assert weights[:, 2].max() < 0.1 * weights[:, :2].max()


def test_where_nothing_is_slow_all_is_left_as_it_is(counted: EpisodeStore) -> None:
    class Fast(Known):
        def signals(self, frames: np.ndarray) -> np.ndarray:
            return super().signals(frames)[:, [2, 2, 3, 3]]

    class Still(Known):
        def signals(self, frames: np.ndarray) -> np.ndarray:
            return np.zeros((len(frames), 4))

    for known in (Fast(), Still()):
        rows = slow_features(known, counted, (), LAG_S, np.random.default_rng(0))  # type: ignore[arg-type]
        assert rows.tolist() == np.eye(4).tolist()


def test_the_time_between_moments_is_the_videos_own(counted: EpisodeStore) -> None:
    every_step = slow_features(Known(), counted, (), LAG_S, np.random.default_rng(0))  # type: ignore[arg-type]
    slower = EpisodeStore(counted.root.parent / "slower", create=True)
    for id in counted.ids:
        episode = counted.read(id)
        slower.add(episode._replace(meta={**episode.meta, "dt_s": 1 / 6}))
    by_the_step = slow_features(Known(), slower, (), LAG_S, np.random.default_rng(0))  # type: ignore[arg-type]
    assert by_the_step.norm() > 3 * every_step.norm()  # the change of one step is less noise than that of four
