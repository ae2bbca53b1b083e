"""What the report says of rewards, demonstrations and figures is what the run knows of them."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_toys import Page, fill_demo, result, walk

from agents.report.blocks import Films, Watched
from agents.report.config import ReportConfig
from agents.report.films import episode_film, rollout_film
from agents.report.folder import RunFolder
from agents.report.sections import demonstration, reward
from agents.report.write import write_report
from sslctrl import checkpoint
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective


def test_a_reward_that_nobody_tells_of_is_not_claimed(tmp_path: Path) -> None:
    for names, says in (
        (("agent", "expert"), "A policy The policy reaches the goal from 50 % of 40 fresh starts"),
        (("expert",), "An evaluation How often the goal is reached: expert 50 %."),
    ):
        (tmp_path / "evaluation.json").write_text(json.dumps({"policies": dict.fromkeys(names, result(0.5))}))
        text = " ".join(Page(write_report(ReportConfig(run=tmp_path))).text.split())
        assert says in text and "learned from video" not in text and "only reward" not in text


def test_grasps_are_said_to_be_learned_and_how_often_they_fetch(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps({"labels": "pl_es"}))
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 0.5}))
    (tmp_path / "metrics.json").write_text(json.dumps({"runs/grasps": {"value": 0.9, "whatever_comes": 0.21}}))
    text = " ".join(Page(write_report(ReportConfig(run=tmp_path))).text.split())
    assert (
        "A value of grasps, learned from recorded ones" in text
        and "rewarded by posthoc labels and likeness to another goal." in text
    )
    assert "runs/graspsvalue90 %runs/graspswhatever comes21 %" in text
    assert "Nothing of this run" not in text and "embedding learned" not in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("supervised", "A supervised net learned from labelled"),
        ("svtcn", "single-view time-contrastive network learned from unlabelled"),
    ],
)
def test_nets_are_called_by_their_names_and_labels_labels(name: str, says: str, tmp_path: Path) -> None:
    net = {"widths": (4,), "strides": (2,)}
    options = {"columns": (0,)} if name == "supervised" else {}
    embedding = build_objective(ObjectiveSpec(name, options, backbone_options=net))
    checkpoint.save(tmp_path / "checkpoints" / "step-00000001", KIND, spec_of(embedding), embedding.state_dict(), {})
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 0.5}))
    assert f"{says} video." in Page(write_report(ReportConfig(run=tmp_path))).text


def test_a_demonstration_is_shown_as_what_it_was_to_the_policy(tmp_path: Path) -> None:
    demo = fill_demo(tmp_path / "demo")
    shutil.rmtree(demo / "video" / "demonstration")
    store = EpisodeStore(demo / "video" / "demonstration", create=True)
    episode = walk(0, 32)
    store.add(episode._replace(frames=episode.frames[:1], meta={**episode.meta, "cameras": ["front"]}))
    (demo / "agent" / "config.yaml").write_text(json.dumps({"camera": "left", "reward_from": "state"}))
    (shown,) = demonstration(RunFolder(demo))  # and no text: this reward compares with no demonstration
    assert isinstance(shown, Films) and [film.caption for film in shown.films] == [""]
    compared = [block for block in reward(RunFolder(demo)) if isinstance(block, Watched)]
    assert [block.film.title for block in compared][:2] == ["the expert's demonstration", "the policy, rollout 1"]
    rollout = EpisodeStore(demo / "evaluation" / "agent").read("000000")
    own, others = (episode_film(rollout, camera, "").video for camera in ("left", "front"))
    assert compared[1].film.video == own != others


def test_figures_show_as_many_digits_as_their_intervals(tmp_path: Path) -> None:
    demo = fill_demo(tmp_path / "demo")
    known = {"policy_distance_m": {"value": 0.0137, "low": 0.0131, "high": 0.0143, "n": 100}}
    (demo / "demo.json").write_text(json.dumps({"figures": known}))
    assert "0.0131 to 0.0143, n = 100" in Page(write_report(ReportConfig(run=demo))).text


@pytest.mark.parametrize("own", ["front", "left"])
def test_a_film_shows_its_goal_where_that_has_looks(own: str) -> None:
    """And is through the camera that saw them."""
    episode = walk(0, 32)
    goal = np.full((16, 16, 3), 200, np.uint8)
    pursuit = episode._replace(pursued=goal, meta={**episode.meta, "camera": own})
    alone, beside = (rollout_film(one, "front", "") for one in (episode, pursuit))
    if own != "front":
        assert beside == alone
        return
    assert not alone.caption.startswith("above: the goal") and beside.caption == f"above: the goal; {alone.caption}"
    pictures = []
    for one in (alone, beside):
        pixels = np.frombuffer(base64.b64decode(one.poster.split(",")[1]), np.uint8)
        pictures.append(cv2.imdecode(pixels, cv2.IMREAD_COLOR))
    height, width = pictures[0].shape[:2]
    assert pictures[1].shape[1] == width and (pictures[1][:height] == 200).all()
    np.testing.assert_array_equal(pictures[1][-height:], pictures[0])
