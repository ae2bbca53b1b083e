from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from squares import moving_square

from agents.grasping import exam
from agents.grasping.aims import by_heat_map, recorded
from agents.grasping.exam import outcomes, share_grasped
from agents.grasping.grasps import grasps_in
from agents.grasping.labels import Grasps, label
from agents.grasping.picture import TILE_PX, heat_picture
from agents.grasping.value import Recorded, learn, mirrored
from envs.grasps import Attempt, bin_to_picture, collect_grasps
from envs.grasps_config import GraspsConfig
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore
from vision.backbones.conv import Conv

SIZE_PX = 32


def some(count: int = 40) -> Grasps:
    rng = torch.Generator().manual_seed(0)
    outcome = torch.rand(count, 3, generator=rng)
    return Grasps(outcome, torch.rand(count, generator=rng) < 0.7, torch.randint(3, (count,), generator=rng))


def test_posthoc_a_success_was_right_for_what_it_brought_and_a_failure_for_nothing() -> None:
    grasps = some()
    found = label(grasps, "pl", torch.Generator().manual_seed(1))
    assert torch.equal(found.grasp, torch.arange(40)) and torch.equal(found.reward, grasps.success.float())
    assert torch.equal(found.goal[grasps.success], torch.arange(40)[grasps.success])
    assert grasps.success[found.goal].all()


def test_where_nothing_was_brought_nothing_is_rewarded() -> None:
    grasps = some()._replace(success=torch.zeros(40, dtype=torch.bool))
    found = label(grasps, "pl_es", torch.Generator().manual_seed(1))
    assert len(found.reward) == 80 and not found.reward.any() and len(found.goal.unique()) > 10


@pytest.mark.parametrize(("labelling", "times"), [("pl_es", 1), ("pl_aux_es", 2), ("oracle", 1)])
def test_other_goals_are_rewarded_by_similarity_or_by_the_truth(labelling: Any, times: int) -> None:
    grasps = some()
    found = label(grasps, labelling, torch.Generator().manual_seed(1))
    assert len(found.reward) == 40 * (1 + times)
    for grasp, goal, reward in zip(*(column[40:].tolist() for column in found), strict=True):
        if labelling == "oracle":
            alike = float(grasps.name[grasp] == grasps.name[goal])
        else:
            a, b = grasps.outcome[grasp], grasps.outcome[goal]
            alike = float(a @ b / a.norm() / b.norm())
        assert grasps.success[goal] and reward == pytest.approx(alike * float(grasps.success[grasp]), abs=1e-5)


def test_a_mirrored_scene_has_its_grasp_mirrored() -> None:
    scene = torch.zeros(50, 3, SIZE_PX, SIZE_PX, dtype=torch.uint8)
    scene[:, :, 3, 20] = 255
    place, angle = torch.tensor([[2 * 20.5 / SIZE_PX - 1, 2 * 3.5 / SIZE_PX - 1]]).repeat(50, 1), torch.full((50,), 0.4)
    turned, where, angles = mirrored(scene, place, angle, torch.Generator().manual_seed(0))
    column, row = ((where + 1) * SIZE_PX / 2 - 0.5).round().long().T
    assert (turned[torch.arange(50), 0, row, column] == 255).all() and len(where.unique(dim=0)) == 4
    assert torch.equal(angles < 0, (where[:, 0] * where[:, 1] > 0))  # one mirror alone turns it the other way


def toy(count: int, rng: np.random.Generator) -> Recorded:
    """Two squares of two colours; grasps aim at one of them, or beside, and only along the picture's x axis succeed."""
    scene = np.zeros((count, 3, SIZE_PX, SIZE_PX), np.uint8)
    place, angle, color, success = np.zeros((count, 2)), np.zeros(count), rng.integers(2, size=count), []
    for row in range(count):
        at = rng.permutation(3)[:2] * 10 + 2, rng.permutation(3)[:2] * 10 + 2
        for which, (x, y) in enumerate(zip(*at, strict=True)):
            scene[row, which, y : y + 6, x : x + 6] = 255
        beside, turned = rng.random() < 0.3, rng.random() < 0.3
        center = np.array([at[0][color[row]], at[1][color[row]]]) + 3
        place[row] = 2 * (center + beside * rng.uniform(6, 10, 2)) / SIZE_PX - 1
        angle[row] = turned * math.pi / 2
        success.append(not beside and not turned)
    grasps = Grasps(torch.eye(2)[color], torch.tensor(success), torch.from_numpy(color))
    return Recorded(torch.from_numpy(scene), torch.tensor(place).float(), torch.tensor(angle).float(), grasps)


def test_a_value_learned_from_posthoc_labels_and_similarities_grasps_what_is_asked_for() -> None:
    value = learn(toy(1500, np.random.default_rng(0)), "pl_es", 200, seed=0)
    tests = toy(20, np.random.default_rng(1))
    right = []
    for scene, color in zip(tests.scene, tests.grasps.name, strict=True):
        place, angle_rad = value.best(scene.movedim(0, -1).numpy(), torch.eye(2)[color])
        column, row = ((place + 1) * SIZE_PX / 2).astype(int)
        right.append(bool(scene[color, row, column]) and abs(math.sin(angle_rad)) < 0.5)
    assert np.mean(right) >= 0.9


def test_the_heat_map_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = Grasp2Vec(Conv((4,), (2,)), 3, size_px=SIZE_PX)
    heat = torch.zeros(1, SIZE_PX, SIZE_PX)
    heat[0, 5, 20] = 1
    monkeypatch.setattr(embedding, "heat_maps", lambda frames, goals: heat)
    black = np.zeros((1, SIZE_PX, SIZE_PX, 3), np.uint8)
    place, angle_rad = by_heat_map(embedding, black)(black[0], ())
    np.testing.assert_allclose(bin_to_picture(place), [2 * 20.5 / SIZE_PX - 1, 2 * 5.5 / SIZE_PX - 1])
    assert angle_rad is None


def test_a_picture_circles_the_highest_heat(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = Grasp2Vec(Conv((4,), (2,)), 3, size_px=SIZE_PX)
    heat = torch.zeros(2, SIZE_PX, SIZE_PX)
    heat[0, 8, 24] = heat[1, 24, 8] = 1
    monkeypatch.setattr(embedding, "heat_maps", lambda frames, goals: heat)
    white = np.full((2, SIZE_PX, SIZE_PX, 3), 255, np.uint8)
    picture = heat_picture(embedding, white, white)
    assert picture.shape == (2 * TILE_PX, 2 * TILE_PX, 3) and (picture[:TILE_PX] == 255).all()
    for column, (row, place) in enumerate(((8, 24), (24, 8))):
        black = np.argwhere((picture[TILE_PX:, column * TILE_PX : (column + 1) * TILE_PX] < 60).all(-1))
        np.testing.assert_allclose(black.mean(0), np.multiply((row + 0.5, place + 0.5), TILE_PX / SIZE_PX), atol=1.5)


def test_a_share_is_of_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever grasps the second of five is right where two were asked for, and by chance where any was shown."""
    names = tuple("abcde")
    monkeypatch.setattr(exam, "attempt", lambda variety, seed, aim: Attempt(names, aim(np.zeros(0), names)))
    monkeypatch.setattr(exam, "present_in", lambda variety, seed: names)
    pictures = {name: np.full((1, 2, 2, 3), index, np.uint8) for index, name in enumerate(names)}
    shown: list[list[int]] = []

    def aim(goals: np.ndarray) -> Any:
        shown.append(goals[:, 0, 0, 0].tolist())
        return lambda frame, present: present[shown[-1][-1]]

    def share(**options: Any) -> float:
        return share_grasped(aim, pictures, "train", 40, np.random.default_rng(0), **options)

    assert share() == 1 and shown[-1] == [0]
    assert share(asked=2) == 1 and shown[-1] == [0, 1]
    assert 0.05 < share(shuffled=True) < 0.4 and {row[0] for row in shown[-40:]} == set(range(5))
    del pictures["b"]
    with pytest.raises(InputError, match="among a, c, d, e"):
        share(asked=2)  # no start has a picture of both


def test_outcomes_are_of_successes(tmp_path) -> None:
    store = collect_grasps(GraspsConfig(tmp_path, grasps=6, miss=0.5, workers=1, seed=1))
    grasped = [store.read(id).meta["grasped"] for id in store.ids]
    found = outcomes(store)
    assert sum(map(len, found.values())) == sum(name is not None for name in grasped) > 0
    assert set(found) == {name for name in grasped if name}


def test_what_is_no_grasp_is_passed_over(tmp_path) -> None:
    store = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=4, miss=0, workers=1))
    assert len(list(grasps_in(store))) == 4
    video = EpisodeStore(tmp_path / "video", create=True)
    video.add(moving_square(0, steps=9))
    with pytest.raises(DataError, match="holds no grasps"):
        list(grasps_in(video))
    video.add(store.read(store.ids[0]))
    assert len(list(grasps_in(video))) == 1


def test_recorded_grasps_aim_at_what_they_brought(tmp_path) -> None:
    store = collect_grasps(GraspsConfig(tmp_path, grasps=6, miss=0, workers=1))
    embedding: Any = SimpleNamespace(embed_hwc=lambda frames: frames.reshape(len(frames), -1)[:, :4].astype(np.float32))
    found = recorded(store, embedding)
    assert found.scene.shape == (6, 3, 64, 64) and found.grasps.success.sum() >= 4
    for place, scene in zip(found.place, found.scene, strict=True):
        column, row = ((place + 1) * 32).long().tolist()
        assert (scene[:, row, column].int() - scene[:, 0, 0].int()).abs().max() > 40  # an object, not the table
