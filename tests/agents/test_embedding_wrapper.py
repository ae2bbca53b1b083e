"""Somebody's own world, which knows nothing of this package, seen through an embedding."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.env_checker import check_env

from agents.embedding_wrapper import EmbeddingWrapper
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.cc_vae import CcVae
from sslctrl.errors import InputError
from sslctrl.objective import channels_first
from sslctrl.rewards import REWARDS
from sslctrl.views import square
from vision.build import ObjectiveSpec, build_objective

ACTION = np.array([0.5], np.float32)


class Slider(gym.Env):
    """A white bar that actions push to and fro over a black picture, wider than high."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, render_mode: str | None = "rgb_array", terminates: bool = False) -> None:
        self.render_mode, self.terminates, self.at, self.steps = render_mode, terminates, 0.0, 0
        self.picture = np.zeros((16, 24, 3), np.uint8)
        self.observation_space = gym.spaces.Box(-10, 10, (3,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.at, self.steps = float(self.np_random.uniform(8, 24)), 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.at, self.steps = float(np.clip(self.at + 4 * action[0], 8, 40)), self.steps + 1
        over = self.steps == 9
        return self._observe(), 7.0, over and self.terminates, over and not self.terminates, {"mine": self.steps}

    def render(self) -> np.ndarray:  # type: ignore[override]
        self.picture[:] = 0  # one buffer for all frames
        self.picture[:, int(self.at / 2) - 1 : int(self.at / 2) + 2] = 255
        return self.picture

    def _observe(self) -> np.ndarray:
        return np.array([self.steps, self.steps, self.at / 10], np.float32)


def embedding(name: str, **options: Any) -> Embedding:
    built = build_objective(ObjectiveSpec(name, {"size_px": 16, "dim": 4, **options}, seed=1))
    assert isinstance(built, Embedding)
    return built.eval()


def context_of(net: Embedding, frames: np.ndarray) -> np.ndarray:
    """Return what the embeddings of an episode are conditioned on (T, C)."""
    if not isinstance(net, CcVae):
        return np.empty((len(frames), 0))
    return net.in_eval(net.context, channels_first(frames[:1])).numpy().repeat(len(frames), axis=0)


def played(env: EmbeddingWrapper) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict]]:
    """Return an episode's rendered frames, observations, rewards and infos, of pushing one way."""
    observation, info = env.reset(seed=3)
    frames, seen, rewards, infos, over = [env.render().copy()], [observation], [], [info], False
    while not over:
        observation, reward, terminated, over, info = env.step(ACTION)
        assert not terminated
        frames.append(env.render().copy())
        seen.append(observation)
        rewards.append(reward)
        infos.append(info)
    return square(np.array(frames), 16), np.array(seen), np.array(rewards), infos


@pytest.mark.parametrize(("name", "terminates"), [("tcn", True), ("mftcn", False), ("cc_vae", False)])
def test_what_is_seen_and_rewarded_is_what_the_embedding_says_of_the_film(name: str, terminates: bool) -> None:
    net, demonstration = embedding(name), np.array([Slider.render(one) for one in [_at(8), _at(20), _at(36)]])
    reward = REWARDS.build("huber", {"alpha": 0.5})
    world = Slider(terminates=terminates)
    env = EmbeddingWrapper(world, net, demonstration, reward, own=lambda observation: observation[:2])
    for _ in range(2):  # nothing is left of the episode before
        frames, seen, rewards, infos = played(env)
        z = net.embed_video(frames)
        known = np.concatenate([z, context_of(net, frames)], axis=1)
        changes = np.diff(known, axis=0, prepend=known[:1])
        counted = np.repeat(np.arange(10), 2).reshape(10, 2)
        assert np.allclose(seen, np.concatenate([known, changes, counted], axis=1), atol=1e-5)
        goal = square(demonstration, 16)
        if name == "cc_vae":  # in this episode's context
            goal[0] = frames[0]
        target = np.repeat(net.embed_video(goal)[-1:], 9, axis=0)
        assert np.allclose(rewards, reward(z[:-1], z[1:], target), atol=1e-5)
        assert np.ptp(rewards) > 0
        assert infos[-1] == {"mine": 9, "env_reward": 7.0, "env_terminated": terminates}


def test_at_the_goal_the_distance_is_nought_and_the_picture_may_have_any_size() -> None:
    world = _at(14.2)
    env = EmbeddingWrapper(world, embedding("tcn"), world.render())  # which is drawn over from now on
    env.reset(seed=0)
    world.at = 12.0
    rewards = [env.step(ACTION)[1] for _ in range(3)]
    assert rewards[0] == 0 and rewards[2] < 0


def test_frames_that_a_renderer_turns_by_their_strides_are_seen() -> None:
    world, net = _at(14), embedding("tcn")
    upright = world.render().copy()
    render = world.render
    world.render = lambda: render()[::-1]  # type: ignore[method-assign]
    env = EmbeddingWrapper(world, net, world.render())
    env.reset(seed=0)
    world.at = 12.0
    observation, reward, *_ = env.step(ACTION)
    assert reward == 0 and np.allclose(observation[:4], net.embed_hwc(square(upright[None, ::-1].copy(), 16))[0])


def test_this_packages_worlds_are_seen_through_one_camera() -> None:
    with pytest.raises(InputError, match=r"renders cameras front, left, .* allowed is one"):
        EmbeddingWrapper(gym.make("sslctrl/Reach-v0", render_mode="rgb_array"), embedding("tcn"), _at(8).render())
    world = gym.make("sslctrl/Reach-v0", render_mode="rgb_array", cameras=["front"])
    assert EmbeddingWrapper(world, embedding("tcn"), _at(8).render()).reset(seed=0)[0].shape == (8,)


def test_a_policy_learns_in_it() -> None:
    env = EmbeddingWrapper(Slider(), embedding("tcn"), _at(36).render())
    check_env(env)
    SAC("MlpPolicy", env, learning_starts=4, batch_size=4, policy_kwargs={"net_arch": [8]}).learn(12)


@pytest.mark.parametrize(
    "goal", [np.zeros((16, 16, 3)), np.zeros((16, 16), np.uint8), np.zeros((0, 16, 16, 3), np.uint8)]
)
def test_a_goal_that_is_no_picture_is_refused(goal: np.ndarray) -> None:
    with pytest.raises(InputError, match="allowed are"):
        EmbeddingWrapper(Slider(), embedding("tcn"), goal)


def test_what_is_no_vector_or_no_picture_is_refused() -> None:
    for own in (lambda observation: observation[0], lambda observation: observation[:, None]):
        with pytest.raises(InputError, match=r"own returns .*; allowed is \(N,\)"):
            EmbeddingWrapper(Slider(), embedding("tcn"), _at(8).render(), own=own)
    world = Slider()
    env = EmbeddingWrapper(world, embedding("tcn"), _at(8).render())
    world.render = lambda: [world.picture]  # type: ignore[method-assign, assignment, return-value]
    with pytest.raises(InputError, match="rendered a list; allowed is a picture, uint8"):
        env.reset()


def test_what_is_no_embedding_or_no_reward_is_refused() -> None:
    given: Any
    for given in ({"embedding": "runs/tcn"}, {"reward": "huber"}):
        with pytest.raises(InputError, match="allowed are what load_embedding opens"):
            EmbeddingWrapper(Slider(), **{"embedding": embedding("tcn"), "goal": _at(8).render()} | given)
    for value in (np.array([np.nan]), np.float32(0)):
        env = EmbeddingWrapper(Slider(), embedding("tcn"), _at(8).render(), reward=lambda z, z_next, goal, to=value: to)
        env.reset()
        with pytest.raises(InputError, match=r"allowed are \(1,\) finite numbers"):
            env.step(ACTION)


def test_the_embedding_is_left_as_it_was() -> None:
    net = embedding("tcn").train()
    EmbeddingWrapper(Slider(), net, _at(8).render()).reset()
    assert net.training and all(weight.requires_grad for weight in net.parameters())


def test_a_world_that_does_not_render_is_refused() -> None:
    with pytest.raises(InputError, match='render_mode=None; allowed is "rgb_array"'):
        EmbeddingWrapper(Slider(None), embedding("tcn"), _at(8).render())


def _at(place: float) -> Slider:
    world = Slider()
    world.at = place
    return world
