"""Recording: what an episode holds, resuming, and refusing bad configurations."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import sys
import types

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import LokyBackend

from envs.behaviors import BEHAVIORS
from envs.cameras import rig
from envs.collect import CollectConfig, check_kept, collect, record_episode, record_missing
from envs.tray import CENTER_M, HALF_M
from sslctrl import durable
from sslctrl.errors import InputError, Interrupted
from sslctrl.footage import footage
from sslctrl.store import EpisodeStore

CAMERAS = ("front", "corner")


def small(out, **changes):
    config = CollectConfig(out, episodes=4, steps=8, cameras=CAMERAS, size_px=32, variety="fixed", workers=1)
    return dataclasses.replace(config, **changes)


@pytest.mark.parametrize("env_id", ["sslctrl/Push-v0", "sslctrl/Grasp-v0"])
def test_an_episode_holds_what_happened(tmp_path, env_id):
    episode = record_episode(small(tmp_path, env_id=env_id, behaviors=("expert",)), 0)
    actions, states = episode.action.shape[1], episode.state.shape[1]
    assert episode.frames.shape == (2, 9, 32, 32, 3) and episode.frames.dtype == np.uint8
    assert episode.action.shape == (8, actions) and episode.reward.shape == (8,) and episode.state.shape == (9, states)
    np.testing.assert_array_equal(episode.proprio, episode.state[:, : episode.proprio.shape[1]])
    assert set(episode.reward) <= {0, -1}
    assert episode.meta["env_id"] == env_id and episode.meta["cameras"] == list(CAMERAS)
    assert len(episode.meta["state_names"]) == states and len(episode.meta["action_names"]) == actions
    assert episode.meta["length"] == 8 and episode.meta["dt_s"] == pytest.approx(1 / 24)
    assert not episode.meta["success"] and len(episode.meta["goal"]) == (2 if "Push" in env_id else 3)
    assert (episode.frames[:, 0] != episode.frames[:, -1]).any(axis=(1, 2, 3)).all()  # both cameras saw it move


def test_an_episode_is_a_function_of_configuration_and_index_alone(tmp_path):
    config = small(tmp_path, behaviors=tuple(BEHAVIORS), randomize=0.5)
    forwards = [record_episode(config, i) for i in range(4)]
    record_episode(small(tmp_path, env_id="sslctrl/Reach-v0"), 0)  # the cached world is another one now
    backwards = [record_episode(config, i) for i in reversed(range(4))][::-1]
    for one, two in zip(forwards, backwards, strict=True):
        assert one.meta == two.meta
        for ours, theirs in zip(one[:-1], two[:-1], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert [episode.meta["behavior"] for episode in forwards] == list(BEHAVIORS)
    assert len({episode.state[0].tobytes() for episode in forwards}) == 4
    other = record_episode(dataclasses.replace(config, seed=1), 0)
    assert (other.state[0] != forwards[0].state[0]).any()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"variety": "heldout"}, "variety fixed, asked for is heldout"),
        ({"behaviors": ("random",)}, r"behaviors \['play'\], asked for is \['random'\]"),
        ({"behaviors": ("play", "random")}, "behaviors"),
        ({"env_id": "sslctrl/Reach-v0"}, "env_id sslctrl/Push-v0"),
        ({"seed": 1}, "seed"),
        ({"cameras": CAMERAS[:1]}, "cameras"),
        ({"steps": 9}, "steps 8, asked for is 9"),
        ({"steps": None}, "steps 8, asked for is None"),
        ({"depth": True}, "depth False, asked for is True"),
        ({"size_px": 16}, "size_px 32, asked for is 16"),
        ({"randomize": 0.5}, "randomize 0.0, asked for is 0.5"),
        ({"orbit_rad": 0.1}, "orbit_rad"),
        ({"goal": (0.45, 0.1)}, "goal"),
    ],
)
def test_another_recording_is_neither_kept_nor_mixed(tmp_path, changes, named):
    before = collect(small(tmp_path, episodes=1)).digest()
    with pytest.raises(InputError, match=named):
        collect(small(tmp_path, episodes=2, **changes))
    assert EpisodeStore(tmp_path).digest() == before and len(collect(small(tmp_path, episodes=2))) == 2


def test_nothing_is_recorded_among_others_video(tmp_path):
    EpisodeStore(tmp_path, create=True).add(footage(np.zeros((1, 3, 32, 32, 3), np.uint8), ("film",)), "film")
    with pytest.raises(InputError, match="env_id unknown"):
        collect(small(tmp_path))


def test_a_killed_run_goes_on_and_ends_with_the_same_store(tmp_path):
    whole = collect(small(tmp_path / "whole"))
    assert whole.ids == ("000000", "000001", "000002", "000003") and whole.verify() == []
    resumed = tmp_path / "resumed"
    shutil.copytree(whole.root, resumed)
    kept = {path: path.stat().st_mtime_ns for path in (resumed / "000000").iterdir()}
    half_written = resumed / f"{durable.ASIDE}000001"
    (resumed / "000001").rename(half_written)  # as if the process had died before renaming it
    (half_written / "meta.json").unlink()
    shutil.rmtree(resumed / "000003")
    again = collect(small(resumed))
    assert again.digest() == whole.digest() and again.verify() == []
    assert {path: path.stat().st_mtime_ns for path in (resumed / "000000").iterdir()} == kept
    more = collect(small(resumed, episodes=5))
    assert len(more) == 5 and more.subset(whole.ids).digest() == whole.digest()


class OfManyMachines(LokyBackend):
    """As Ray's backend is: without generators."""

    supports_return_generator = False


def test_ray_records_the_same_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.util.joblib", None)
    with pytest.raises(InputError, match=r"'ray', which is not installed; .* pip install -e '.\[ray\]'"):
        collect(small(tmp_path / "a", backend="ray"))
    assert not (tmp_path / "a").exists()
    module = types.ModuleType("ray.util.joblib")
    vars(module)["register_ray"] = lambda: monkeypatch.setitem(joblib.parallel.BACKENDS, "ray", OfManyMachines)
    for name in ("ray", "ray.util"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "ray.util.joblib", module)
    there = collect(small(tmp_path / "b", backend="ray"))
    assert there.digest() == collect(small(tmp_path / "c")).digest()


def test_one_goal_for_all_episodes(tmp_path):
    config = small(tmp_path, goal=(0.42, 0.03), behaviors=("random", "expert"))
    assert all(record_episode(config, i).meta["goal"] == [0.42, 0.03] for i in range(2))
    with pytest.raises(InputError, match="play chooses goals of its own"):
        collect(small(tmp_path / "none", goal=(0.42, 0.03), behaviors=("expert", "play")))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("behavior", sorted(BEHAVIORS))
def test_the_last_reward_is_for_the_goal_that_is_told(tmp_path, behavior):
    episode = record_episode(small(tmp_path, steps=60, behaviors=(behavior,)), 0)
    away_m = np.linalg.norm(episode.state[-1, 4:6] - episode.meta["goal"])
    assert episode.reward[-1] == -1.0 + episode.meta["success"]
    assert episode.meta["success"] == (away_m < 0.05)


def test_what_is_no_episode_is_said_though_nothing_is_there_yet(tmp_path):
    wrong = record_episode(small(tmp_path), 0)
    wrong.reward[0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        record_missing(lambda index: wrong, tmp_path / "out", 1, 1, "loky")


def test_two_may_record_into_one_folder(tmp_path, monkeypatch):
    whole = collect(small(tmp_path / "whole", episodes=2)).digest()
    late, other = small(tmp_path / "both", episodes=2), small(tmp_path / "both", episodes=2, seed=9)
    monkeypatch.setattr(
        "envs.collect.check_kept", lambda out, recording, id=None: id and check_kept(out, recording, id)
    )
    collect(small(tmp_path / "both", episodes=2))
    monkeypatch.setattr("envs.collect.EpisodeStore.ids", ())  # as if both had looked before either wrote
    collect(late)
    with pytest.raises(InputError, match="recorded with seed 0, asked for is 9"):
        collect(other)
    monkeypatch.undo()
    assert EpisodeStore(tmp_path / "both").digest() == whole


def test_the_expert_succeeds_and_random_motion_does_not(tmp_path):
    config = small(tmp_path, steps=50, behaviors=("expert", "random"))
    outcomes = [record_episode(config, i).meta["success"] for i in range(8)]
    assert all(outcomes[0::2]) and not all(outcomes[1::2])


@pytest.mark.parametrize(
    ("env_id", "variety", "seed", "indices"),
    [
        ("sslctrl/Push-v0", "train", 2, (3, 32, 54, 58)),  # those that jumped over low walls
        ("sslctrl/PushVaried-v0", "train", 0, (11, 17, 26, 28)),  # slabs that were squeezed into them
        ("sslctrl/PushVaried-v0", "heldout", 0, (0, 1, 2, 3)),
    ],
)
def test_long_play_keeps_the_object_in_the_tray(tmp_path, env_id, variety, seed, indices):
    config = CollectConfig(tmp_path, env_id, steps=300, variety=variety, seed=seed, cameras=("front",), size_px=8)
    for index in indices:
        positions_m = record_episode(config, index).state[:, 4:6]
        assert np.abs(positions_m - CENTER_M).max() < HALF_M


def test_a_worker_that_is_killed_is_one_line(tmp_path):
    with pytest.raises(Interrupted, match="a worker has ended, often for want of memory; what was recorded is kept"):
        record_missing(lambda index: os.kill(os.getpid(), signal.SIGKILL), tmp_path, 2, 2, "loky")


def test_long_play_never_stands_still(tmp_path):
    for index in (0, 13, 18):  # here the puck and a wall come to lie between the hand and its home
        config = CollectConfig(tmp_path, steps=300, variety="train", cameras=("front",), size_px=8)
        state = record_episode(config, index).state
        windows = np.lib.stride_tricks.sliding_window_view(state[:, [0, 1, 4, 5]], 30, axis=0)
        assert np.ptp(windows, axis=-1).max(1).min() > 0.01


@pytest.mark.parametrize("task", ["Push", "Grasp"])
@pytest.mark.parametrize("behavior", sorted(BEHAVIORS))
def test_every_behaviour_acts_within_the_box(tmp_path, task, behavior):
    episode = record_episode(small(tmp_path, env_id=f"sslctrl/{task}-v0", behaviors=(behavior,), steps=25), 0)
    assert np.isfinite(episode.action).all() and np.abs(episode.action).max() <= 1
    assert np.abs(np.diff(episode.action, axis=0)).max() > 0.05


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"behaviors": ("expert", "wander")}, "'wander'.*random"),
        ({"behaviors": ()}, "behaviors is empty"),
        ({"cameras": ("front", "front")}, "allowed is each once"),
        ({"size_px": 2}, "size_px is 2; allowed is 8 or more"),
        ({"randomize": 2.0}, "randomize"),
        ({"cameras": ()}, "cameras is empty"),
        ({"steps": 0}, "steps is 0; allowed is 1 or more"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"env_id": "sslctrl/Pull-v0"}, "sslctrl/Push-v0"),
        ({"env_id": "CartPole-v1"}, "sslctrl/"),
        ({"episodes": 0}, "episodes is 0"),
        ({"variety": "heldin"}, "heldout"),
        ({"cameras": ("front", "behind")}, "behind"),
        ({"goal": (0.4, 0.0, 0.0), "behaviors": ("random",)}, "2 finite numbers"),
    ],
)
def test_bad_configurations_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        collect(small(tmp_path / "store", **changes))
    assert not (tmp_path / "store").exists()


def test_depth_is_metres_along_the_cameras_axis(tmp_path):
    config = small(tmp_path, cameras=("top",))
    plain, deep = record_episode(config, 0), record_episode(dataclasses.replace(config, depth=True), 0)
    np.testing.assert_array_equal(plain.frames, deep.frames)
    assert plain.depth is None and deep.depth is not None and deep.depth.dtype == np.uint16
    assert deep.depth.shape == deep.frames.shape[:-1]
    camera, tall = rig((*CENTER_M, 0.0))["top"], deep.depth[0, 0, 12:20, 12:20] / 1000
    away = np.linalg.norm(np.subtract(camera.target_m, camera.eye_m))
    assert camera.near_m < tall.min() and np.median(tall) == pytest.approx(away, abs=0.12)  # the tray and what is on it
