"""The comparison of backbones: what is set against what, and the page that shows it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
import torch

from scripts.bench import _compare as compare
from scripts.bench._compare_config import DEEP, DEEPER, SINGLE, CompareConfig
from scripts.bench._compare_page import write_page
from scripts.bench._intervals import Figure
from sslctrl.errors import InputError
from vision.build import ObjectiveSpec, build_objective
from vision.image import IMAGE_TASKS
from vision.video import VIDEO_TASKS


def seed(**success: float) -> dict[str, dict[str, float]]:
    """Return one seed's metrics, all of them equal to the success but alignments, which are 1 less that."""
    return {
        name.replace("_and_", "+").replace("__", "-"): {
            metric: 1 - value if metric.endswith("alignment") else value for metric in compare.METRICS
        }
        for name, value in success.items()
    }


def test_every_pretext_task_is_compared() -> None:
    assert set(SINGLE) == {"random", "supervised", "autoencoder", *IMAGE_TASKS.names(), *VIDEO_TASKS.names()}
    assert set(DEEPER) <= set(SINGLE)
    assert all(compare.trial_of(name).steps > 0 for name in SINGLE[1:])


def test_gains_are_over_the_better_part_the_shallow_one_and_the_best_task() -> None:
    found = compare.gains(
        seed(
            random=0.1, supervised=0.8, rotation=0.5, jigsaw=0.6, counting=0.2, rotation_and_jigsaw=0.7,
            rotation_and_jigsaw_and_counting=0.5, rotation__deep=0.55, random__deep=0.05,
        )
    )  # fmt: skip
    for metric in compare.METRICS:  # above 0 is better, of errors too
        assert found[f"combining_gain.{metric}"] == pytest.approx(((0.7 - 0.6) + (0.5 - 0.6)) / 2)
        assert found[f"depth_gain.{metric}"] == pytest.approx((0.05 - 0.05) / 2)
        assert found[f"supervised_lead.{metric}"] == pytest.approx(0.8 - 0.6)
    assert found["supervised_lead"] == found[f"supervised_lead.{compare.GAIN}"]
    assert not compare.gains(seed(random=0.1, rotation=0.5))


def test_deeper_backbones_are_the_same_task_on_another_net() -> None:
    assert compare.named("rotation-deep") == ("rotation", DEEP) and compare.named("rotation") == ("rotation", {})
    shallow = build_objective(ObjectiveSpec("rotation")).backbone
    deep = build_objective(ObjectiveSpec("rotation", backbone_options=DEEP)).backbone

    image = torch.zeros(1, 3, 64, 64)
    assert deep(image).shape[2:] == shallow(image).shape[2:]
    count = [sum(value.ndim == 4 for value in net.parameters()) for net in (shallow, deep)]
    assert count == [3, 5]


def test_several_are_trained_as_long_as_the_longest_of_them() -> None:
    parts = [compare.trial_of(name).steps for name in ("rotation", "jigsaw")]
    assert compare.trial_of("rotation+jigsaw").steps == max(parts)


def test_figures_have_the_names_that_were_asked_for() -> None:
    before = {"rotation": {"probe_r2": 0.5}}
    found = {"rotation push": {"push_success": 0.6}, "rotation reach": {"reach_success": 0.7}}
    assert compare.flat(compare.joined(found, before)) == {
        "rotation.probe_r2": 0.5, "rotation.push_success": 0.6, "rotation.reach_success": 0.7
    }  # fmt: skip
    assert before == {"rotation": {"probe_r2": 0.5}}
    assert compare.unit("a.probe_r2") == "R^2" and compare.unit("combining_gain.push_spearman") == "rank correlation"


def test_the_page_has_every_figure_and_loads_nothing(tmp_path: Path) -> None:
    metrics = ("probe_r2", "push_alignment")
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
    assert "Does combining tasks help?" in page and "Do deeper backbones help?" not in page
    assert page.count("<svg") == 2 and not re.search(r"(src|href)=\"(?!#)(?!data:)", page.replace("xlink:href", ""))
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}" in page


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(InputError, match="only has 'resnet'; allowed are random, supervised, "):
        CompareConfig(only=("resnet",))
