from __future__ import annotations

import numpy as np
import pytest

from sslctrl.history import History


@pytest.mark.parametrize(("count", "stride"), [(1, 1), (2, 1), (3, 2), (5, 3)])
def test_a_moment_is_the_present_and_what_came_before_it(count: int, stride: int) -> None:
    history, video = History(count, stride), np.arange(100, 120)
    moments = history.of(video)
    for step in range(20):
        wanted = [100 + max(0, step - stride * k) for k in reversed(range(count))]
        assert np.atleast_1d(moments[step]).tolist() == wanted
    assert history.look_back == (count - 1) * stride


def test_the_first_frame_comes_before_the_others() -> None:
    assert History(first=True).of(np.arange(7, 12)).tolist() == [[7, 7], [7, 8], [7, 9], [7, 10], [7, 11]]
    assert History(2, 2, first=True).of(np.arange(7, 12)).tolist()[-1] == [7, 9, 11]
    assert (History().moment, History(first=True).moment, History(3).moment) == ((), (2,), (3,))


def test_one_frame_is_the_video_itself() -> None:
    video = np.zeros((3, 4, 4, 3), np.uint8)
    assert History().of(video) is video
