"""The bench of image tasks: what it measures, without the real images, which `make data` fetches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scripts.bench import _data, _image_parts, image_pretext
from scripts.bench._image_config import TASKS, ImageConfig
from scripts.bench._image_counts import numbers, record_bins
from scripts.bench._image_parts import TRIALS, Trial, figures_of, transform_share, unit, white_noise
from scripts.bench._image_probe import covered
from scripts.bench._image_scores import accuracy, inpainted
from scripts.bench._tier import FAST
from sslctrl.errors import DataError, InputError
from sslctrl.store import EpisodeStore
from vision.backbones import BACKBONES
from vision.image.rotation import Rotation


class Says(nn.Module):
    """A classifier that reads the class, and how sure it is, from an image's first two pixels."""

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        odds = torch.full((len(images), 10), 1e-6)
        odds[torch.arange(len(images)), (images[:, 0, 0, 0] * 10).long()] = images[:, 0, 0, 1]
        return (odds / odds.sum(1, keepdim=True)).clamp_min((1 - odds.amax(1, keepdim=True)) / 9).log()


def images_of(classes: list[int], sure: float) -> torch.Tensor:
    images = torch.zeros(len(classes), 3, 32, 32)
    images[:, 0, 0, 0] = (torch.tensor(classes) + 0.5) / 10
    images[:, 0, 0, 1] = sure
    return images


def test_a_class_is_covered_by_a_fortieth_that_is_surely_of_it() -> None:
    says: Any = Says()
    assert covered(images_of([0] * 38 + [1, 2], 0.99), says, sure=0.9) == 3
    assert covered(images_of([0] * 79 + [1], 0.99), says, sure=0.9) == 1
    assert covered(images_of([0, 1, 2, 3], 0.5), says) == 4
    assert covered(images_of([0, 1, 2, 3], 0.5), says, sure=0.9) == 0


def test_every_task_has_trials_and_every_goal_is_of_one_of_them() -> None:
    assert set(TRIALS) == set(TASKS)
    for goal in image_pretext.GOALS:
        task, figure = goal.split(".")
        assert any(figure == where or figure.startswith(f"{where}_") for where in TRIALS[task]), goal


def test_other_settings_have_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(steps: int = 600, where: str = "sim", **options: Any) -> str:
        return Trial(accuracy, steps, options=options).folder("rotation", where)

    before = folder()
    assert before == folder() == folder(batch=32) and before not in (folder(601), folder(batch=8), folder(where="real"))
    defaults = tuple(16 if value == 32 else value for value in Rotation.__init__.__defaults__ or ())
    monkeypatch.setattr(Rotation.__init__, "__defaults__", defaults)
    assert folder() != before


def test_figures_are_set_against_chance_and_random_features() -> None:
    found = figures_of(
        "rotation", {"sim": {"": 0.9, "probe_r2": 0.5}, "leak": {"": 0.27}}, {"probe_r2": 0.2, "objects_r2": 0.1}
    )
    assert found == pytest.approx(
        {
            "rotation.sim": 0.9,
            "rotation.sim_probe_r2": 0.5,
            "rotation.leak": 0.02,
            "rotation.probe_gain_over_random": 0.3,
        }
    )
    assert figures_of("counting", {"objects": {"r2": 0.6}}, {"objects_r2": 0.1})[
        "counting.objects_gain_over_random"
    ] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("denoising.sim", "dB"), ("denoising.real_over_median_db", "dB"), ("counting.sim", "ratio"),
        ("counting.objects_r2", "R^2"), ("gan.real_minutes", "min"), ("gan.real", "classes"),
        ("counting.real_1nn", "fraction"),
        ("bigan.real", "ratio"), ("rotation.sim_transform_share", "fraction"),
    ],
)  # fmt: skip
def test_units(name: str, wanted: str) -> None:
    assert unit(name) == wanted


def test_the_number_of_objects_can_be_read_from_how_much_colour_there_is(tmp_path: Path) -> None:
    store = record_bins(tmp_path, 3, 0.0, 0, workers=1)
    left = np.concatenate([store.read(id).state[:, 0] for id in store.ids])
    assert set(left) == set(range(6)) and store.layout.views == 1

    def colour(images: torch.Tensor) -> torch.Tensor:
        return (images.amax(1) - images.amin(1)).gt(0.4).float().mean((1, 2))[:, None]

    assert numbers(colour, store) > 0.7
    assert numbers(lambda images: torch.zeros(len(images), 1), store) < 0.1


def test_transforms_take_a_part_of_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EpisodeStore(tmp_path, create=True)
    store.add(white_noise(0), "000000")
    task = Rotation(BACKBONES.build("conv", {}))
    quick = transform_share(task, store)
    real = Rotation.ask

    def slow(*given: Any) -> Any:
        until = time.process_time() + 1
        while time.process_time() < until:
            pass
        return real(*given)

    monkeypatch.setattr(Rotation, "ask", slow)
    assert 0 < quick < 0.5 < transform_share(task, store) < 1  # turns are much less than a net
    assert "ask" not in vars(task)


def test_telea_fills_an_even_picture_evenly_whatever_is_in_the_hole() -> None:
    images = torch.full((2, 3, 16, 16), 0.4)
    holes = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    holes[:, :, 4:9, 4:9] = True
    filled = inpainted(torch.where(holes, 0.0, images), holes)
    assert torch.allclose(filled, images, atol=3 / 255)
    assert torch.equal(filled, inpainted(images, holes))


def test_absent_real_images_say_which_command_brings_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(_data, "data_folder", lambda: tmp_path)
    with pytest.raises(DataError, match="make data"):
        _image_parts.stores("photos", tmp_path)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(InputError, match="allowed are exemplar, rotation"):
        ImageConfig(only=("rotations",))
    with pytest.raises(InputError, match="1 or more"):
        ImageConfig(seeds=())
    assert ImageConfig(fast=True).tier == FAST
