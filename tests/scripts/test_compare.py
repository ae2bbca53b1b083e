"""The comparison of backbones: what is set against what, and the page that shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.bench import _compare as compare
from scripts.bench._compare_config import DEEP, DEEPER, QUESTIONS, SINGLE, CompareConfig
from scripts.bench._compare_page import write_page
from scripts.bench._figures import Results, origin
from scripts.bench._image_scores import accuracy
from scripts.bench._intervals import Figure, from_seeds
from scripts.bench._jobs import Done
from scripts.bench._tier import Tier
from scripts.bench._trials import Trial
from sslctrl.errors import InputError
from sslctrl.objective import to_float
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective
from vision.image import IMAGE_TASKS
from vision.video import VIDEO_TASKS


def seed(**success: float) -> dict[str, dict[str, float]]:
    """Return one seed's metrics, all of them equal to the success but those of which less is better: 1 less that."""
    return {
        name.replace("_and_", "+").replace("__", "-"): {
            metric: value if sign > 0 else 1 - value for metric, sign in compare.METRICS.items()
        }
        for name, value in success.items()
    }


def test_every_pretext_task_is_compared() -> None:
    assert set(SINGLE) == {"random", "supervised", "autoencoder", *IMAGE_TASKS.names(), *VIDEO_TASKS.names()}
    assert set(DEEPER) <= set(SINGLE)
    assert all(compare.trial_of(name).steps > 0 for name in SINGLE[1:])


def test_gains_are_over_the_better_part_the_shallow_one_and_the_best_task() -> None:
    one = seed(
        random=0.1, supervised=0.8, rotation=0.5, jigsaw=0.6, counting=0.2, rotation_and_jigsaw=0.7,
        rotation_and_jigsaw_and_counting=0.5, rotation__deep=0.55, random__deep=0.05,
    )  # fmt: skip
    (found,) = compare.gains([one])
    for metric in compare.METRICS:  # above 0 is better, of errors too
        if metric != compare.RANK:  # those that it chose to combine must not be judged by it
            assert found[f"combining_gain.{metric}"] == pytest.approx(((0.7 - 0.6) + (0.5 - 0.6)) / 2)
        assert found[f"depth_gain.{metric}"] == pytest.approx((0.05 - 0.05) / 2)
        assert found[f"supervised_lead.{metric}"] == pytest.approx(0.8 - 0.6)
    assert f"combining_gain.{compare.RANK}" not in found
    assert found["supervised_lead"] == found[f"supervised_lead.{compare.GAIN}"]
    assert compare.gains([seed(random=0.1, rotation=0.5)]) == [{}]


def test_which_is_best_is_said_by_the_other_seeds() -> None:
    """Of tasks that are equally good but for noise, labels have no lead, though each seed has a lucky task."""
    seeds = [
        seed(supervised=0.5, rotation=0.9, jigsaw=0.4, counting=0.5),
        seed(supervised=0.5, rotation=0.4, jigsaw=0.9, counting=0.5),
        seed(supervised=0.5, rotation=0.5, jigsaw=0.5, counting=0.6),
    ]
    leads = [found["supervised_lead"] for found in compare.gains(seeds)]
    assert leads == pytest.approx([0.5 - 0.4, 0.5 - 0.4, 0.0])


def test_batch_norm_is_settled_on_plain_frames(tiny_store: EpisodeStore) -> None:
    backbone = build_objective(ObjectiveSpec("rotation")).backbone
    weights = [value.clone() for value in backbone.parameters()]
    compare.settle(backbone, tiny_store, 0)
    images = to_float(tiny_store.clips(random_frames(tiny_store.layout, np.random.default_rng(1), 300)).frames, "cpu")
    norm = next(module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen = {}
    norm.register_forward_hook(lambda _, __, output: seen.update(output=output.clone()))
    backbone(images.flatten(0, 2))
    assert seen["output"].mean().abs() < 0.1 and abs(seen["output"].std() - 1) < 0.15 and not backbone.training
    assert all(torch.equal(old, new) for old, new in zip(weights, backbone.parameters(), strict=True))


def test_deeper_backbones_are_the_same_task_on_another_net() -> None:
    assert compare.named("rotation-deep") == ("rotation", DEEP) and compare.named("rotation") == ("rotation", {})
    shallow = build_objective(ObjectiveSpec("rotation")).backbone
    deep = build_objective(ObjectiveSpec("rotation", backbone_options=DEEP)).backbone

    image = torch.zeros(1, 3, 64, 64)
    assert deep(image).shape[2:] == shallow(image).shape[2:]
    count = [sum(value.ndim == 4 for value in net.parameters()) for net in (shallow, deep)]
    assert count == [3, 5]


def test_several_share_the_batches_of_the_longest_of_them() -> None:
    parts = [compare.trial_of(name).steps for name in ("rotation", "jigsaw")]
    mixed = compare.trial_of("rotation+split_brain")
    assert compare.trial_of("rotation+jigsaw").steps == round(max(parts) / 2)
    assert mixed.options == {"split_brain.split": "rgbd"}
    build_objective(ObjectiveSpec("rotation+split_brain", mixed.options))


def test_another_training_or_net_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("random", "random-deep", "rotation", "rotation-deep", "rotation+jigsaw")
    before = {name: compare.folder_of(name, tmp_path) for name in names}
    assert len(set(before.values())) == len(names)
    compare._made_from.cache_clear()
    monkeypatch.setitem(compare._image_parts.TRIALS["rotation"], "sim", Trial(accuracy, 7))
    after = {name: compare.folder_of(name, tmp_path) for name in names}
    compare._made_from.cache_clear()  # others are to see neither
    assert [name for name in names if before[name] != after[name]] == ["rotation", "rotation-deep"]


def test_figures_have_the_names_that_were_asked_for() -> None:
    before = {"rotation": {"probe_r2": 0.5}}
    found = {"rotation push": {"push_success": 0.6}, "rotation reach": {"reach_success": 0.7}}
    assert compare.flat(compare.joined(found, before)) == {
        "rotation.probe_r2": 0.5, "rotation.push_success": 0.6, "rotation.reach_success": 0.7
    }  # fmt: skip
    assert before == {"rotation": {"probe_r2": 0.5}}
    assert compare.unit("a.probe_r2") == "R^2" and compare.unit("combining_gain.push_spearman") == "rank correlation"


def test_the_page_has_every_figure_and_loads_nothing(tmp_path: Path) -> None:
    metrics = {"probe_r2": 1, "push_alignment": -1}
    figures = {
        f"{name}.{metric}": Figure(value, value - 0.1, value + 0.1, 3, "fraction")
        for name, value in (("random", 0.2), ("rotation", 0.6), ("rotation+jigsaw", 0.71))
        for metric in metrics
    } | {f"combining_gain.{metric}": Figure(0.11, -0.02, 0.2, 3, "fraction") for metric in metrics}
    page = write_page(tmp_path / "board.html", figures, metrics).read_text()
    assert [row for row in re.findall(r"<tr><th>([^<]*)</th><td data", page)] == [
        "rotation+jigsaw", "rotation", "random"
    ]  # fmt: skip
    assert 'data-value="0.71"' in page and "+0.11" in page and "-0.02 to +0.2" in page
    assert page.count("<th data-less>") == 1 and '<th data-less><button type="button">push alignment' in page
    assert "Does combining tasks help?" in page and "Do deeper backbones help?" not in page
    assert page.count("<svg") == 2 and not re.search(r"(src|href)=\"(?!#)(?!data:)", page.replace("xlink:href", ""))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in page


def test_what_is_not_compared_any_more_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def done(jobs: Any, config: CompareConfig) -> Iterator[Done]:
        one = dict.fromkeys(compare.METRICS, 0.5)
        yield Done([{job.name: one for job in jobs}], origin())

    for name in ("record", "record_probe"):
        monkeypatch.setattr(compare, name, lambda *given: None)
    monkeypatch.setattr(compare, "run_jobs", done)
    config = CompareConfig(out=tmp_path / "x.json", page=tmp_path / "page.html", runs=tmp_path / "runs", seeds=(0,))
    before = {"rotation-shallow.push_success": from_seeds([0.1], "fraction")}
    Results(config.file, config.command, config.seeds).record(before, origin())
    found = set(compare.measure(config))
    mixes = {name.partition(".")[0] for name in found if "+" in name}
    assert {name.partition(".")[0] for name in found} == {*config.tasks, *mixes, *QUESTIONS} and len(mixes) == 2


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(InputError, match="only has 'resnet'; allowed are random, supervised, "):
        CompareConfig(only=("resnet",))


@pytest.mark.slow
def test_backbones_are_compared_and_not_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CompareConfig, "tier", Tier("fast", 0.02, 0.1))
    config = CompareConfig(
        out=tmp_path / "x.json", page=tmp_path / "page.html", runs=tmp_path / "runs", only=("random", "denoising"),
        seeds=(0,), workers=1,
    )  # fmt: skip
    found = compare.measure(config)
    assert {f"{name}.{metric}" for name in config.only for metric in compare.METRICS} < set(found)
    assert all(0 <= found[f"{name}.push_distance_m"].value < 0.5 for name in config.only)
    assert found["random.minutes"].value == 0 < found["denoising.minutes"].value
    assert "denoising" in config.board.read_text()
    done = {path: path.stat().st_mtime_ns for path in config.runs.rglob("*.safetensors")}
    assert compare.measure(config) == found
    assert done == {path: path.stat().st_mtime_ns for path in config.runs.rglob("*.safetensors")}
