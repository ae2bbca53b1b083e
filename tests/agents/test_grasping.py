from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import FakeGpu, generator, moved
from squares import moving_square
from torch import Tensor

from agents.grasping import exam
from agents.grasping.aims import by_heat_map, by_value
from agents.grasping.config import GraspingConfig
from agents.grasping.exam import outcomes, share_grasped
from agents.grasping.grasps import grasps_in
from agents.grasping.labels import Grasps, label
from agents.grasping.picture import TILE_PX, heat_picture
from agents.grasping.train import train_grasping
from agents.grasping.value import build_value, load_value, mirrored
from envs.grasps import Attempt, bin_to_picture, collect_grasps, picture_to_bin
from envs.grasps_config import GraspsConfig
from envs.tray import CENTER_M
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import CheckpointError, DataError, InputError
from sslctrl.fit import FitConfig, fit
from sslctrl.objective import Loss, channels_first
from sslctrl.registry import Spec
from sslctrl.rng import torch_rng
from sslctrl.store import EpisodeStore
from vision.backbones import BACKBONES
from vision.backbones.conv import Conv
from vision.build import ObjectiveSpec, build_objective, load_embedding

SIZE_PX = 32
TOY = ObjectiveSpec("grasp2vec", {"dim": 16}, backbone_options={"widths": (8, 16), "strides": (2, 2)})


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


class Colors(Embedding):
    """How red, green and blue an outcome is."""

    def __init__(self, size_px: int = SIZE_PX) -> None:
        super().__init__(BACKBONES.build("conv", {"widths": (4,), "strides": (2,)}), 3, size_px)
        self.spec = Spec("tests", {})

    def encode(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        raise NotImplementedError

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        raise NotImplementedError


def toy(count: int, rng: np.random.Generator) -> Clips:
    """Two squares of two colours; grasps aim at one of them, or beside, and only along the picture's x axis succeed."""
    frames, place = np.zeros((count, 2, 3, SIZE_PX, SIZE_PX), np.uint8), np.zeros((count, 2))
    angle, color, success = np.zeros(count), rng.integers(2, size=count), []
    for row in range(count):
        at = rng.permutation(3)[:2] * 10 + 2, rng.permutation(3)[:2] * 10 + 2
        for which, (x, y) in enumerate(zip(*at, strict=True)):
            frames[row, 0, which, y : y + 6, x : x + 6] = 255
        frames[row, 1, color[row]] = 255
        beside, turned = rng.random() < 0.3, rng.random() < 0.3
        center = np.array([at[0][color[row]], at[1][color[row]]]) + 3
        place[row] = 2 * (center + beside * rng.uniform(6, 10, 2)) / SIZE_PX - 1
        angle[row] = turned * math.pi / 2
        success.append(not beside and not turned)
    action = np.column_stack([picture_to_bin(place) - CENTER_M, angle])[:, None, None].repeat(2, axis=2)
    return Clips(
        torch.from_numpy(frames)[:, None], torch.from_numpy(action).float(),
        success=torch.tensor(success), label=torch.from_numpy(color),
    )  # fmt: skip


def taken(clips: Clips, rows: Any) -> Clips:
    return Clips(*(None if part is None else part[rows] for part in clips[:-1]))


def test_a_value_learned_from_posthoc_labels_and_similarities_grasps_what_is_asked_for() -> None:
    clips, value = toy(1500, np.random.default_rng(0)), build_value(Colors(), "pl_es")
    optimizer = torch.optim.AdamW([one for one in value.parameters() if one.requires_grad], lr=2e-3)
    for step in range(200):
        rows = np.random.default_rng(step).choice(1500, 64, replace=False)
        value.loss(taken(clips, rows), torch_rng(0, step)).value.backward()
        optimizer.step()
        optimizer.zero_grad()
    value.eval()
    tests = toy(20, np.random.default_rng(1))
    right = []
    assert tests.label is not None
    for scene, color in zip(tests.frames[:, 0, 0], tests.label.tolist(), strict=True):
        place, angle_rad = value.best(scene.movedim(0, -1).numpy(), torch.eye(3)[color])
        column, row = ((place + 1) * SIZE_PX / 2).astype(int)
        right.append(bool(scene[color, row, column]) and abs(math.sin(angle_rad)) < 0.5)
    assert np.mean(right) >= 0.9


def test_a_value_learns_from_mirrored_grasps_and_half_a_turn_grips_the_same() -> None:
    value, clips, seen = build_value(Colors()), toy(40, np.random.default_rng(0)), []
    value.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    value.loss(clips, torch_rng(0, 0))
    same = (seen[0] == clips.frames[:, 0, 0] / 255).flatten(1).all(1).float().mean()
    assert 0.05 < same < 0.6  # a quarter is mirrored neither way
    noise = torch.Generator().manual_seed(0)
    maps, goal = torch.rand(2, 64, 8, 8, generator=noise), torch.rand(2, 3, generator=noise)
    angles_rad = (torch.full((2, 1), 0.4 + turn) for turn in (0, math.pi, math.pi / 2))
    first, turned, across = (value.eval()(maps, goal, torch.zeros(2, 1, 2), angle_rad) for angle_rad in angles_rad)
    torch.testing.assert_close(first, turned)
    assert not torch.allclose(first, across)


def test_a_value_aims_at_the_sum_of_its_goals(monkeypatch: pytest.MonkeyPatch) -> None:
    value, goals = build_value(Colors()), []
    monkeypatch.setattr(value, "best", lambda scene, goal: goals.append(goal) or (np.array([0.5, -0.25]), 0.7))
    red_and_green = np.zeros((2, SIZE_PX, SIZE_PX, 3), np.uint8)
    red_and_green[[0, 1], :, :, [0, 1]] = 255
    place, angle_rad = by_value(value, red_and_green)(red_and_green[0], ())
    np.testing.assert_allclose(bin_to_picture(place), [0.5, -0.25])
    assert angle_rad == 0.7
    torch.testing.assert_close(goals[0], torch.tensor([1.0, 1.0, 0.0]))


@pytest.mark.parametrize("labels", ["oracle", "pl", "pl_es", "pl_aux_es"])
def test_a_value_learns_and_aims_on_a_gpu(labels: Any) -> None:
    scene, pictures = np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8), np.zeros((2, SIZE_PX, SIZE_PX, 3), np.uint8)
    with FakeGpu():
        value = build_value(Colors(), labels).to("cuda")
        loss = value.loss(moved(toy(40, np.random.default_rng(0))), generator())
        loss.value.backward()
        assert loss.value.is_cuda
        place, angle_rad = by_value(value.eval(), pictures)(scene, ())
        assert place.shape == (2,) and isinstance(angle_rad, float)


def test_heat_maps_are_made_on_a_gpu() -> None:
    pictures = np.random.default_rng(0).integers(256, size=(2, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    embedding = Grasp2Vec(Conv((4,), (2,)), 3, size_px=SIZE_PX).eval()
    here, _ = by_heat_map(embedding, pictures)(pictures[0], ())
    picture = heat_picture(embedding, pictures, pictures)
    with FakeGpu():
        embedding.to("cuda")
        there, _ = by_heat_map(embedding, pictures)(pictures[0], ())
        np.testing.assert_array_equal(there, here)
        np.testing.assert_array_equal(heat_picture(embedding, pictures, pictures), picture)


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
    monkeypatch.setattr(exam, "attempt", lambda variety, seed, aim, size_px: Attempt(names, aim(np.zeros(0), names)))
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


def test_a_value_learns_from_grasps_alone_and_each_aims_at_what_it_brought(tmp_path) -> None:
    store = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=6, miss=0, workers=1))
    first = store.read(store.ids[0])
    store.add(first._replace(meta={key: value for key, value in first.meta.items() if key != "grasped"}), "video")
    value = build_value(Colors(size_px=64))
    value.prepare(store)
    pick = value.pick(store.layout, np.random.default_rng(0))
    grasped = [store.read(store.ids[row]).meta.get("grasped") for row in pick.episode]
    assert sorted(pick.episode) == [0, 1, 2, 3, 4, 5] and pick.label is not None
    same = np.array([[one == other for other in grasped] for one in grasped])
    np.testing.assert_array_equal(pick.label[:, None] == pick.label, same)
    clips = store.clips(pick)
    seen: list[Any] = []
    value.forward = lambda maps, goal, place, angle_rad: seen.append(place) or torch.zeros(len(goal), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.grasping.value.mirrored", lambda scene, place, angle, rng: (scene, place, angle))
        value.loss(clips, torch_rng(0, 0))
    for (place,), scene in zip(seen[0][:6], clips.frames[:, 0, 0], strict=True):
        column, row = ((place + 1) * 32).long().tolist()
        assert (scene[:, row, column].int() - scene[:, 0, 0].int()).abs().max() > 40  # an object, not the table


def test_a_value_is_saved_with_the_embedding_of_its_goals_and_measured(tmp_path, monkeypatch) -> None:
    grasps = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=40, workers=1))
    path = fit(build_objective(TOY), grasps, tmp_path / "embedding", FitConfig(2, checkpoint_every=2))
    config = GraspingConfig(grasps.root, path, tmp_path / "run", starts=8, fit=FitConfig(4, lr=2e-3, warmup=1))
    before = torch.random.get_rng_state()
    found = train_grasping(config)
    assert torch.equal(before, torch.random.get_rng_state())
    assert set(found[str(grasps.root)]) == {"value", "heat_map", "whatever_comes"}
    assert json.loads((config.run / "metrics.json").read_text()) == found
    value, frames = load_value(config.run), channels_first(grasps.read(grasps.ids[0]).frames[0])
    torch.testing.assert_close(value.goals.embed(frames), load_embedding(path).embed(frames))
    monkeypatch.setattr("agents.grasping.train.share_grasped", lambda *given, **options: 0.5)
    config = replace(config, embedding=path.rename(tmp_path / "elsewhere"))
    again = train_grasping(replace(config, starts=9))
    assert again[str(grasps.root)]["value"] == 0.5  # measured anew, not trained
    with pytest.raises(InputError, match="was started with labels = pl_aux_es"):
        train_grasping(replace(config, labels="pl"))
    other = fit(build_objective(replace(TOY, seed=1)), grasps, tmp_path / "other", FitConfig(2, seed=1))
    with pytest.raises(InputError, match="goals_sha256"):
        train_grasping(replace(config, embedding=other))
    with pytest.raises(CheckpointError, match=r"'grasp2vec'; allowed is what scripts/train_grasping\.py trains"):
        load_value(config.embedding)
    with pytest.raises(InputError, match=r"labels.*'es'"):
        train_grasping(replace(config, run=tmp_path / "new", labels="es"))  # pyright: ignore


def test_an_exam_is_in_the_pictures_size_and_of_known_objects(tmp_path, monkeypatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(exam, "attempt", lambda variety, seed, aim, size_px: seen.append(size_px) or Attempt((), None))
    monkeypatch.setattr(exam, "present_in", lambda variety, seed: ("a",))
    pictures = {"a": np.zeros((1, 96, 96, 3), np.uint8)}
    assert share_grasped(lambda goals: None, pictures, "train", 2, np.random.default_rng(0)) == 0  # pyright: ignore
    assert seen == [96, 96]
    store = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=1, miss=0, workers=1))
    assert exam.variety_of(store) == "train"
    first, own = store.read(store.ids[0]), EpisodeStore(tmp_path / "own", create=True)
    own.add(first._replace(meta={key: value for key, value in first.meta.items() if key != "variety"}))
    with pytest.raises(DataError, match="of variety None; allowed are fixed, train, heldout"):
        exam.variety_of(own)


def test_an_exam_that_no_start_is_of_is_refused_before_anything_is_learned(tmp_path, monkeypatch) -> None:
    grasps = collect_grasps(GraspsConfig(tmp_path / "grasps", grasps=4, miss=0, workers=1))
    path = fit(build_objective(TOY), grasps, tmp_path / "embedding", FitConfig(2, checkpoint_every=2))
    monkeypatch.setattr("agents.grasping.train.present_in", lambda variety, seed: ("never grasped",))
    with pytest.raises(InputError, match="none of the 3 starts asks for one of the"):
        train_grasping(GraspingConfig(grasps.root, path, tmp_path / "run", starts=3))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="is in the store"):
        train_grasping(GraspingConfig(grasps.root, path, grasps.root / "run"))
