from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fake_gpu import FakeGpu

from sslctrl.embeddings.grasp2vec import Grasp2Vec
from sslctrl.errors import InputError
from sslctrl.footage import footage
from sslctrl.store import EpisodeStore
from vision.backbones.conv import Conv
from vision.measure import check_heldout, measure

COLORS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200)}


def untrained(size_px: int = 16) -> Grasp2Vec:
    torch.manual_seed(0)
    return Grasp2Vec(Conv((4,), (2,)), dim=3, size_px=size_px)


def grasps(root: Path, kinds: list[str]) -> EpisodeStore:
    """Of a scene of all colours, a stripe each, one is taken; a failure and a film stand between them."""
    store = EpisodeStore(root, create=True)
    for kind in kinds:
        before, after, outcome = np.zeros((3, 16, 16, 3), np.uint8)
        for row, (name, color) in enumerate(COLORS.items()):
            before[4 * row : 4 * row + 3] = color
            after[4 * row : 4 * row + 3] = color if name != kind else 0
        outcome[4:12, 4:12] = COLORS[kind]
        frames = np.stack([before, after, outcome])[None]
        store.add(footage(frames, ["above"], {"success": True, "grasped": kind}))
    store.add(footage(frames, ["above"], {"success": False, "grasped": ""}))
    store.add(footage(frames.repeat(2, axis=1), ["above"], {"success": True}))
    return store


def test_what_a_scene_lost_is_looked_for_among_outcomes_of_the_other_half(tmp_path: Path, monkeypatch) -> None:
    store = grasps(tmp_path, ["red", "green", "green", "blue", "blue", "red", "red", "red"])
    embedding = untrained()
    mean = lambda frames: frames.float().mean((2, 3))  # noqa: E731
    monkeypatch.setattr(embedding, "embed", mean)
    monkeypatch.setattr(embedding, "embed_scene", mean)
    assert measure(embedding, store) == {"retrieval": 1, "retrieval_chance": pytest.approx(1 / 3)}
    monkeypatch.setattr(embedding, "embed", lambda frames: mean(frames).roll(1, 1))
    assert measure(embedding, store)["retrieval"] == 0


def test_a_net_on_a_gpu_is_worth_the_same(tmp_path: Path) -> None:
    store, embedding = grasps(tmp_path, ["red", "green", "green", "blue", "blue", "red"]), untrained()
    here = measure(embedding, store)
    with FakeGpu():
        assert measure(embedding.to("cuda"), store) == here


def test_grasps_that_cannot_be_told_apart_are_refused(tmp_path: Path, tiny_store: EpisodeStore) -> None:
    for store in (tiny_store, grasps(tmp_path / "one", ["red"] * 4), grasps(tmp_path / "once", ["red", "green"])):
        with pytest.raises(InputError, match="of two kinds of objects or more"):
            check_heldout(untrained(), store)
    whole = grasps(tmp_path / "whole", ["red", "green", "green", "red"])
    check_heldout(untrained(), whole)
    with pytest.raises(InputError, match="size_px"):
        check_heldout(untrained(32), whole)
