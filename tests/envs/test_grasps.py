from __future__ import annotations

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from envs.env import RobotEnv
from envs.grasps import ASIDE_M, SHOW_M, attempt, bin_to_picture, collect_grasps, masks, picture_to_bin, record_grasp
from envs.grasps_config import GraspsConfig
from envs.things import HELDOUT_HUES, sample_rgb
from sslctrl.clips import AFTER, BEFORE, OUTCOME
from sslctrl.errors import InputError
from sslctrl.store import EpisodeStore


@pytest.fixture(scope="module")
def config() -> GraspsConfig:
    return GraspsConfig(Path("unused"), miss=0.4, seed=3)


def test_a_grasp_is_a_pure_function_of_its_index(config: GraspsConfig) -> None:
    first = [record_grasp(config, index) for index in (0, 1)]
    again = [record_grasp(config, index) for index in (1, 0)][::-1]
    for a, b in zip(first, again, strict=True):
        assert a.meta == b.meta
        for x, y in zip(a[:5], b[:5], strict=True):
            np.testing.assert_array_equal(x, y)


def test_other_colours_change_what_is_seen_and_nothing_else(config: GraspsConfig) -> None:
    plain, colored = record_grasp(config, 1), record_grasp(replace(config, recolor=1.0), 1)
    np.testing.assert_array_equal(plain.state, colored.state)
    recorded = plain.meta["recording"] | {"recolor": 1.0}
    assert plain.meta | {"recording": recorded} == colored.meta and (plain.frames != colored.frames).any()
    rng = np.random.default_rng(0)
    hues = np.array([colorsys.rgb_to_hsv(*sample_rgb(rng))[0] for _ in range(500)])
    assert all(np.abs(hues - held_out).min() > 0.039 for held_out in HELDOUT_HUES.values())
    assert np.histogram(hues, 6, (0, 1))[0].min() > 30


def test_what_was_grasped_is_gone_afterwards_and_only_that(config: GraspsConfig) -> None:
    outcomes = set()
    for index in range(12):
        episode = record_grasp(config, index)
        where, grasped = masks(config, index), episode.meta["grasped"]
        outcomes.add(grasped is not None)
        assert set(where) == set(episode.meta["present"]) and episode.meta["success"] == (grasped is not None)
        changed = (episode.frames[0, BEFORE] != episode.frames[0, AFTER]).any(-1)
        if grasped is not None:
            assert changed[where[grasped]].mean() > 0.9  # the table is seen where it was
            others = np.any([mask for name, mask in where.items() if name != grasped], axis=0)
            assert changed[others].mean() < 0.5  # at most nudged
        np.testing.assert_allclose(episode.state[[BEFORE, AFTER], :3], [ASIDE_M, ASIDE_M], atol=0.01)
        np.testing.assert_allclose(episode.state[OUTCOME, :3], SHOW_M, atol=0.01)  # where the picture was taken
        hand = episode.state[OUTCOME, :3]
        held = np.linalg.norm(episode.state[OUTCOME, 9:12] - hand) < 0.03
        assert held == (grasped == episode.meta["present"][0])
    assert outcomes == {True, False}


def test_pixels_and_places_agree(config: GraspsConfig) -> None:
    for index in range(5):
        episode, where = record_grasp(config, index), masks(config, index)
        row, column = np.argwhere(where[episode.meta["present"][0]]).mean(axis=0)
        place = 2 * (np.array([column, row]) + 0.5) / 64 - 1
        np.testing.assert_allclose(picture_to_bin(place), episode.state[BEFORE, 9:11], atol=0.008)
        np.testing.assert_allclose(bin_to_picture(picture_to_bin(place)), place, atol=1e-9)
        if episode.meta["success"]:
            aim = episode.action[0, :2] + (0.45, 0)
            assert np.linalg.norm(aim - episode.state[BEFORE, 9:11]) < 0.06


def test_what_is_aimed_at_is_what_is_grasped() -> None:
    env, right = RobotEnv("grasp", "train", cameras=("top",)), 0
    for seed in range(6):
        env.reset(seed=seed)
        third = env.state[[17, 18]]
        corner = attempt("train", seed, lambda frame, names: (picture_to_bin(np.array([0.9, 0.9])), 0.0))
        assert corner.grasped is None
        got = attempt("train", seed, lambda frame, names, third=third: (third, None))
        assert got == attempt("train", seed, lambda frame, names, third=third: (third, None))
        right += got.grasped == got.present[2]
    assert right >= 5


def test_the_arm_is_out_of_the_picture(config: GraspsConfig) -> None:
    table = np.array([200, 190, 170])
    frames = record_grasp(config, 0).frames[0, [BEFORE, AFTER]]
    where = np.any(list(masks(config, 0).values()), axis=0)
    assert np.abs(frames[0][~where].astype(int) - np.median(frames[0][~where], axis=0)).max() < 40
    assert np.abs(np.median(frames[0], axis=(0, 1)) - table).max() < 40


def test_recording_goes_on(tmp_path: Path) -> None:
    store = collect_grasps(GraspsConfig(tmp_path / "g", grasps=2, workers=1))
    more = collect_grasps(GraspsConfig(tmp_path / "g", grasps=3, workers=1))
    assert len(more) == 3 and more.subset(store.ids).digest() == store.digest()
    assert more.read(more.ids[0]).frames.shape == (1, 3, 64, 64, 3)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"variety": "heldout"}, {"miss": 0.5}, {"recolor": 1.0}, {"size_px": 32}]
)
def test_another_recording_is_neither_kept_nor_mixed(tmp_path: Path, change: dict) -> None:
    config = GraspsConfig(tmp_path / "g", grasps=1, workers=1)
    before = collect_grasps(config).digest()
    with pytest.raises(InputError, match=f"{next(iter(change))} .*, asked for is"):
        collect_grasps(replace(config, grasps=2, **change))
    assert EpisodeStore(config.out).digest() == before


@pytest.mark.parametrize("change", [{"grasps": 0}, {"miss": 1.5}, {"workers": 0}, {"size_px": 4}])
def test_values_that_cannot_be_are_one_line(change: dict) -> None:
    with pytest.raises(InputError, match="change it"):
        GraspsConfig(Path("g"), **change)
