"""Slow features of an embedding whose slow, fast and one-eyed parts are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sslctrl.clips import Episode
from sslctrl.slow_features import slow_features
from sslctrl.store import EpisodeStore

STEPS, VIEWS = 120, 2
MIX = np.random.default_rng(3).normal(size=(4, 4))
FAST = np.random.default_rng(4).normal(size=STEPS)


class Known:
    """Embeds frame (episode, step, view) as four signals, mixed: slow and loud, slow and faint, fast, and of one view.

    What is fast is drawn anew at every step, and what is of one view differs between the cameras.
    """

    dim = 4

    def signals(self, frames: np.ndarray) -> np.ndarray:
        step, view, episode = (frames[:, 0, 0, channel].astype(float) for channel in range(3))
        phase = 2 * np.pi * step / STEPS + episode
        fast = FAST[step.astype(int)]
        one_eyed = np.where(view, 1.0, -1.0) * (1 + 0.5 * np.sin(5 * phase))
        return np.stack([5 * np.sin(phase), 0.5 * np.cos(phase), fast, one_eyed], axis=1)

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
        none = np.zeros((STEPS, 0), np.float32)
        store.add(Episode(frames, none, none, none[1:], none[1:, :0].sum(1), {"cameras": ["a", "b"], "success": False}))
    return store


def test_slow_signals_are_kept_equally_and_others_left_out(counted: EpisodeStore) -> None:
    rows = slow_features(Known(), counted, (), np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    assert (np.abs(rows).sum(axis=1) > 0).tolist() == [True, True, False, False]
    weights = np.abs(rows[:2] @ MIX)  # of each signal in each feature
    slow = weights * [5, 0.5, 1, 1]
    assert slow[:, 2:].max() < 0.05 * slow[:, :2].max()
    sizes = np.linalg.norm(slow[:, :2], axis=0)  # ten times as loud; but for the shrinkage they would weigh the same
    assert 1 / 5 < sizes[0] / sizes[1] < 5


def test_one_camera_is_enough(counted: EpisodeStore) -> None:
    rows = slow_features(Known(), counted, ("a",), np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    weights = np.abs(rows @ MIX) * [5, 0.5, 1, 1]
    assert weights[:, 2].max() < 0.05 * weights[:, :2].max()


def test_where_all_is_fast_one_feature_is_left(counted: EpisodeStore) -> None:
    class Fast(Known):
        def signals(self, frames: np.ndarray) -> np.ndarray:
            return super().signals(frames)[:, [2, 2, 3, 3]]

    rows = slow_features(Fast(), counted, (), np.random.default_rng(0)).numpy()  # type: ignore[arg-type]
    assert np.isfinite(rows).all() and (np.abs(rows).sum(axis=1) > 0).sum() == 1
