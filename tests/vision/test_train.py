"""Training from a config, and what is measured of an embedding."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import FakeGpu
from footage import film

from sslctrl import config as configs
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError, StorageError
from sslctrl.fit import fit
from sslctrl.fit_config import FitConfig
from sslctrl.import_images import read_image
from sslctrl.metrics.alignment import alignment_of, state_floor
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective, load_embedding, load_objective
from vision.measure import RESOLUTION_M, measure
from vision.train import _shown, train, train_pretext
from vision.train_config import PretextConfig, TrainConfig
from vision.untrained import settle

OPTIONS = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32, "steps_per_batch": 8, "augment": False}
NET: dict[str, Any] = {"widths": [4, 8], "strides": [2, 2]}


def config(store: EpisodeStore, run: Path, **changes: Any) -> TrainConfig:
    fit = FitConfig(steps=3, warmup=0, device="cpu", progress=False)
    return TrainConfig(store.root, run, **{"options": OPTIONS, "backbone_options": NET, "fit": fit} | changes)


def untrained(seed: int = 0):
    return build_objective(ObjectiveSpec("tcn", OPTIONS, "conv", NET, seed=seed)).eval()


def test_leaves_a_checkpoint_its_config_and_metrics(
    tiny_store: EpisodeStore, other_store: EpisodeStore, tmp_path: Path
) -> None:
    asked = config(tiny_store, tmp_path / "run", eval_store=other_store.root)
    path = train(asked)
    assert path == tmp_path / "run" / "checkpoints" / "step-00000003"
    assert configs.load(TrainConfig, tmp_path / "run" / "config.yaml") == asked
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written == pytest.approx(measure(load_embedding(path), other_store))


def test_an_embedding_of_one_camera_is_measured_through_it(
    tiny_store: EpisodeStore, other_store: EpisodeStore, tmp_path: Path
) -> None:
    options = {"camera": tiny_store.cameras[1], "size_px": 32, "dim": 4, "width": 2, "batch": 4}
    given = {"name": "vae", "options": options, "eval_store": other_store.root}
    path = train(config(tiny_store, tmp_path / "run", **given))
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written == pytest.approx(measure(load_embedding(path), other_store, tiny_store.cameras[1:2]))
    assert "alignment_error" not in written and any(name.startswith("probe_") for name in written)


def test_a_finished_run_is_measured_again_without_training(
    tiny_store: EpisodeStore, other_store: EpisodeStore, tmp_path: Path
) -> None:
    first = train(config(tiny_store, tmp_path / "run"))
    weights = (first / "weights.safetensors").stat().st_mtime_ns
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert train(config(tiny_store, tmp_path / "run", eval_store=other_store.root)) == first
    assert (first / "weights.safetensors").stat().st_mtime_ns == weights
    assert (tmp_path / "run" / "metrics.json").exists()


def test_measures_against_the_floor_and_the_untrained_net(tiny_store: EpisodeStore) -> None:
    embedding: Any = untrained(seed=3)
    found = measure(embedding, tiny_store, ("front", "right"))
    assert found["alignment_error"] == pytest.approx(alignment_of(embedding, tiny_store, ("front", "right")).mean())
    states = [tiny_store.read(id).state for id in tiny_store.ids]
    assert found["alignment_floor"] == pytest.approx(np.mean([state_floor(s, RESOLUTION_M) for s in states]))
    assert found["alignment_random_encoder"] != found["alignment_error"]  # of the same kind, other weights
    assert {f"probe_{kind}_{name}" for kind in ("linear", "mlp") for name in "xy"} < set(found)
    assert found == measure(embedding, tiny_store, ("front", "right"))


@pytest.mark.parametrize("name", ["tcn", "cc_vae"])
def test_a_net_on_a_gpu_is_worth_the_same(name: str, tiny_store: EpisodeStore) -> None:
    options = OPTIONS if name == "tcn" else {"size_px": 32, "dim": 4, "width": 2}
    embedding = build_objective(ObjectiveSpec(name, options, "conv", NET)).eval()
    assert isinstance(embedding, Embedding)
    here = measure(embedding, tiny_store)
    with FakeGpu():
        assert measure(embedding.to("cuda"), tiny_store) == pytest.approx(here)


def test_velocities_and_angles_are_not_measured_against(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path / "s", create=True)
    for id in tiny_store.ids:
        episode = tiny_store.read(id)
        x, y = episode.state.T
        state = np.stack([x, y, np.zeros_like(x), np.zeros_like(x)], axis=1)
        names = ["hand_vx", "puck_y", "hand_yaw", "opening"]
        store.add(episode._replace(state=state, meta=episode.meta | {"state_names": names}))
    found = measure(untrained(), store)  # type: ignore[arg-type]
    assert [name for name in found if name.startswith("probe_")] == ["probe_linear_puck_y", "probe_mlp_puck_y"]
    floors = [state_floor(tiny_store.read(id).state[:, 1:], RESOLUTION_M) for id in tiny_store.ids]
    assert found["alignment_floor"] == pytest.approx(np.mean(floors))


def test_of_footage_what_can_be_is_measured(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    imported, alone, both = (EpisodeStore(tmp_path / name, create=True) for name in ("imported", "alone", "both"))
    for id in tiny_store.ids:
        episode = tiny_store.read(id)
        blind = episode._replace(meta=episode.meta | {"state_names": []})
        imported.add(blind)
        for store, one in ((alone, episode), (both, blind)):
            store.add(one._replace(frames=one.frames[:1], meta=one.meta | {"cameras": ["front"]}))
    assert set(measure(untrained(), imported)) == {"alignment_error", "alignment_random_encoder"}  # type: ignore[arg-type]
    assert {name.split("_")[0] for name in measure(untrained(), alone)} == {"probe"}  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one camera and no state"):
        measure(untrained(), both)  # type: ignore[arg-type]


def test_what_cannot_be_measured_is_refused_before_the_training(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    one, short = (EpisodeStore(tmp_path / name, create=True) for name in ("one", "short"))
    episode = tiny_store.read(tiny_store.ids[0])
    one.add(episode)
    for _ in range(2):
        short.add(episode)
    for store, words in ((one, "holds 1 episodes"), (short, "frames to fit the probes on")):
        with pytest.raises(InputError, match=words):
            train(config(tiny_store, tmp_path / "run", eval_store=store.root))
    with pytest.raises(InputError, match="size_px"):
        options = OPTIONS | {"size_px": 16}
        train(config(tiny_store, tmp_path / "run", options=options, eval_store=tiny_store.root))
    assert not (tmp_path / "run").exists()


def test_what_was_learned_from_is_not_held_out(
    tiny_store: EpisodeStore, other_store: EpisodeStore, tmp_path: Path
) -> None:
    mixed = EpisodeStore(tmp_path / "mixed", create=True)
    for store, id in ((other_store, "000000"), (tiny_store, "000003"), (other_store, "000001")):
        mixed.add(store.read(id))
    with pytest.raises(InputError, match=r"1 of the 3 episodes .* \(the first is 000001"):
        train(config(tiny_store, tmp_path / "run", eval_store=mixed.root))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("differs", ["size", "width", "names"])
def test_held_out_episodes_that_differ_are_refused(differs: str, tiny_store: EpisodeStore, tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path / "s", create=True)
    for id in tiny_store.ids[:5]:
        store.add(tiny_store.read(id))
    odd = tiny_store.read(tiny_store.ids[5])
    meta = odd.meta | {"state_names": ["vx", "y"] if differs == "names" else ["x"]}
    changed = {
        "size": odd._replace(frames=odd.frames.repeat(2, axis=2).repeat(2, axis=3)),
        "width": odd._replace(state=odd.state[:, :1], meta=meta),
        "names": odd._replace(meta=meta),
    }
    store.add(changed[differs])
    with pytest.raises(InputError, match=r"000005 has frames of .* allowed are the same in all"):
        measure(untrained(), store)  # type: ignore[arg-type]


def test_a_position_that_never_changes_is_not_read(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    store = EpisodeStore(tmp_path / "s", create=True)
    for id in tiny_store.ids:
        episode = tiny_store.read(id)
        state = np.concatenate([episode.state, np.full((len(episode.state), 1), 0.3, np.float32)], axis=1)
        store.add(episode._replace(state=state, meta=episode.meta | {"state_names": ["x", "y", "hand_z"]}))
    found = measure(untrained(), store)  # type: ignore[arg-type]
    assert {name for name in found if name.startswith("probe_linear")} == {"probe_linear_x", "probe_linear_y"}


@pytest.mark.parametrize("inside", ["", "run"])
def test_a_run_inside_its_store_is_refused(inside: str, square_store: EpisodeStore) -> None:
    with pytest.raises(InputError, match="is in the store"):
        train(config(square_store, square_store.root / inside))
    assert EpisodeStore(square_store.root).ids == square_store.ids and not (square_store.root / "run").exists()


def test_a_pretext_task_has_its_own_verb(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    fit = FitConfig(steps=1, warmup=0, device="cpu", progress=False)
    path = train_pretext(PretextConfig(tmp_path / "pre", tiny_store.root, backbone_options=NET, fit=fit))
    assert load_objective(path).spec.name == "rotation"
    assert read_image(tmp_path / "pre" / "picture.png").shape == (288, 1152, 3)  # 2 x 8 of 36 px, times four
    train(config(tiny_store, tmp_path / "run", init=path))
    with pytest.raises(InputError, match="'rotation' is no embedding"):
        train(config(tiny_store, tmp_path / "run", name="rotation", options={}))


def test_a_folder_of_footage_is_learned_from_too(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        film(tmp_path / "films" / name, frames=16)
    fit = FitConfig(steps=2, warmup=0, device="cpu", progress=False)
    asked = PretextConfig(
        tmp_path / "run", videos=tmp_path / "films", image_px=24, task="arrow_of_time", backbone_options=NET, fit=fit
    )
    assert load_objective(train_pretext(asked)).spec.name == "arrow_of_time"
    assert EpisodeStore(tmp_path / "run" / "videos").lengths.tolist() == [16, 16]
    assert read_image(tmp_path / "run" / "picture.png").shape[2] == 3


def test_a_picture_is_of_clips_of_all_kinds(tiny_store: EpisodeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    task = build_objective(ObjectiveSpec("arrow_of_time", {"batch": 20, "groups": 2}, backbone_options=NET))
    monkeypatch.setattr(
        type(task),
        "show",
        lambda self, clips, rng: clips.label[None, :, None, None, None].expand(-1, -1, 3, 1, 1).float(),
    )
    kinds = _shown(task, tiny_store, seed=0)
    assert kinds is not None and 4 <= kinds.shape[1] <= 8 and set(kinds[0, :, 0].flatten().tolist()) == {0, 1}


@pytest.mark.parametrize("task", ["rotation", "arrow_of_time"])
def test_what_is_shown_and_is_no_picture_is_one_line_and_loses_nothing(
    task: str, tiny_store: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = FitConfig(steps=1, warmup=0, device="cpu", progress=False)
    asked = PretextConfig(tmp_path / "run", tiny_store.root, task=task, backbone_options=NET, fit=fit)
    kind = type(build_objective(ObjectiveSpec(task, backbone_options=NET)))
    for shape in ((2, 3, 8, 8), (2, 0, 3, 8, 8)):
        monkeypatch.setattr(kind, "show", lambda self, clips, rng, shape=shape: torch.zeros(shape))
        found = re.escape(str(shape))
        with pytest.raises(
            InputError, match=rf"show returns torch.float32 {found}; allowed are pictures, float .*saved: mend it"
        ):
            train_pretext(asked)
    monkeypatch.undo()
    assert load_objective(train_pretext(asked)).spec.name == task


@pytest.mark.parametrize("stray", [{"image_px": 32}, {"crops": 2}, {"every": 2}])
def test_options_of_another_source_are_refused(stray: dict[str, int], tiny_store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"without .*; allowed is .*; leave it out"):
        train_pretext(PretextConfig(tmp_path / "run", tiny_store.root, **stray))


def test_what_a_refused_start_imported_is_not_the_next_ones(tmp_path: Path) -> None:
    film(tmp_path / "films" / "a.mp4", frames=16)
    fit = FitConfig(steps=1, warmup=0, device="cpu", progress=False)
    asked = PretextConfig(
        tmp_path / "run", videos=tmp_path / "films", image_px=8, task="jigsaw", backbone_options=NET, fit=fit
    )
    with pytest.raises(InputError, match="give larger images"):
        train_pretext(asked)
    assert not (tmp_path / "run" / "videos").exists()
    train_pretext(replace(asked, image_px=64))
    video = EpisodeStore(tmp_path / "run" / "videos")
    assert video.read(video.ids[0]).frames.shape == (1, 16, 64, 64, 3)


def test_what_a_run_has_learned_from_is_kept_whatever_fails_after(tmp_path: Path, monkeypatch) -> None:
    film(tmp_path / "films" / "a.mp4", frames=16)
    fit = FitConfig(steps=1, warmup=0, device="cpu", progress=False)
    asked = PretextConfig(tmp_path / "run", videos=tmp_path / "films", image_px=24, backbone_options=NET, fit=fit)
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr("vision.train.write_picture", refuse)
        train_pretext(asked)
    assert EpisodeStore(tmp_path / "run" / "videos").verify() == []
    train_pretext(asked)


def refuse(*_: Any) -> None:
    raise StorageError("no room")


@pytest.mark.parametrize("given", [{}, {"store": Path("a"), "videos": Path("b")}])
def test_footage_is_of_one_kind(tmp_path: Path, given: dict) -> None:
    with pytest.raises(InputError, match="allowed is one of the three; give one"):
        train_pretext(PretextConfig(tmp_path / "run", **given))


def test_a_frozen_backbone_keeps_its_weights_and_has_the_stores_statistics(
    tiny_store: EpisodeStore, tmp_path: Path
) -> None:
    fresh = untrained()
    settle(fresh.backbone, tiny_store, seed=0)
    start = fresh.state_dict()
    frozen = load_objective(train(config(tiny_store, tmp_path / "frozen", frozen=True))).state_dict()
    tuned = load_objective(train(config(tiny_store, tmp_path / "tuned"))).state_dict()
    of_backbone = {name for name in start if name.startswith("backbone.")}
    assert all(start[name].equal(frozen[name]) for name in of_backbone)
    assert not any(start[name].equal(tuned[name]) for name in of_backbone)  # statistics of batch norm are among them
    heads = [name for name in start if name.startswith("head.")]
    assert heads and not any(start[name].equal(frozen[name]) for name in heads)


def test_all_backbones_of_a_mix_are_frozen(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    frozen = build_objective(ObjectiveSpec("rotation+split_brain", {}, "conv", NET, frozen=True))
    before = copy.deepcopy([backbone.state_dict() for backbone in frozen.backbones])
    fit(frozen, tiny_store, tmp_path / "run", FitConfig(steps=2, warmup=0, device="cpu", progress=False))
    assert len(before) == 2
    for backbone, start in zip(frozen.backbones, before, strict=True):
        assert all(start[name].equal(value) for name, value in backbone.state_dict().items())


def test_frozen_is_part_of_what_a_checkpoint_is(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    opened = load_embedding(train(config(tiny_store, tmp_path / "frozen", frozen=True)))
    assert not any(weight.requires_grad for weight in opened.backbone.parameters())
    tuned = load_embedding(train(config(tiny_store, tmp_path / "tuned")))
    assert all(weight.requires_grad for weight in tuned.backbone.parameters())
    with pytest.raises(InputError, match="frozen"):
        train(config(tiny_store, tmp_path / "frozen"))


def test_a_run_from_before_an_option_goes_on(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    first = train(config(tiny_store, tmp_path / "run"))
    written = tmp_path / "run" / "config.yaml"
    lines = written.read_text().splitlines(keepends=True)
    written.write_text("".join(line for line in lines if not line.startswith("frozen")))
    assert len(lines) == len(written.read_text().splitlines()) + 1
    assert train(config(tiny_store, tmp_path / "run")) == first
