from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401 - registers the worlds
from envs.pixels import PixelObservation
from sslctrl.errors import InputError
from sslctrl.history import History


@pytest.mark.parametrize("history", [History(3, 2), History(first=True), History(2, 1, first=True)])
def test_a_history_is_the_frames_before_and_at_the_start_the_first(history: History) -> None:
    plain = PixelObservation(gym.make("sslctrl/Reach-v0", disable_env_checker=True), "front", 16)
    stacked = PixelObservation(gym.make("sslctrl/Reach-v0", disable_env_checker=True), "front", 16, history)
    assert stacked.observation_space["pixels"].shape == (*history.moment, 16, 16, 3)  # type: ignore[index]
    for seed in (0, 1):  # the second episode remembers nothing of the first
        frames = [plain.reset(seed=seed)[0]["pixels"]]
        moments = [stacked.reset(seed=seed)[0]["pixels"]]
        for step in range(7):
            action = np.full(3, 1 - step / 3, np.float32)
            frames.append(plain.step(action)[0]["pixels"])
            moments.append(stacked.step(action)[0]["pixels"])
        np.testing.assert_array_equal(np.array(moments), history.of(np.array(frames)))
        assert stacked.observation_space["pixels"].contains(moments[0])  # type: ignore[index]


def test_a_world_seen_through_a_camera_is_made_again_by_its_spec() -> None:
    env = PixelObservation(gym.make("sslctrl/Reach-v0", disable_env_checker=True), "top", 16, History(2), True)
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))  # type: ignore[union-attr]
    assert again.observation_space == env.observation_space
    np.testing.assert_array_equal(again.reset(seed=1)[0]["pixels"], env.reset(seed=1)[0]["pixels"])


def test_what_was_seen_is_its_owners() -> None:
    env = PixelObservation(gym.make("sslctrl/Reach-v0", disable_env_checker=True), "front", 16, show_goal=True)
    first = env.reset(seed=0)[0]
    kept = {name: shown.copy() for name, shown in first.items()}
    for shown in first.values():
        shown[...] = 0
    second = env.step(np.zeros(3, np.float32))[0]
    for name in ("goal_pixels", "goal_state", "desired_goal"):
        np.testing.assert_array_equal(second[name], kept[name])


@pytest.mark.parametrize("history", [(0, 1), (2, 0)])
def test_a_history_of_nothing_is_refused(history: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="is 0; allowed is 1 or more"):
        PixelObservation(gym.make("sslctrl/Reach-v0", disable_env_checker=True), "front", 16, History(*history))
