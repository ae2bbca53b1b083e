"""Several objectives on one backbone: their losses add up, and its weights are saved once."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from sslctrl import checkpoint
from sslctrl.clips import Clips
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError
from sslctrl.fit import FitConfig, fit
from sslctrl.objective import Loss
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective, load_objective
from vision.combined import Combined
from vision.image import IMAGE_TASKS
from vision.train import train_pretext, write_pictures
from vision.train_config import PretextConfig
from vision.video import VIDEO_TASKS

BACKBONE = {"widths": [8, 12], "strides": [2, 2]}
TASKS = sorted((*IMAGE_TASKS.names(), *VIDEO_TASKS.names()))


def build(name: str, options: dict | None = None) -> Combined:
    built = build_objective(ObjectiveSpec(name, options or {}, "conv", BACKBONE))
    assert isinstance(built, Combined)
    return built


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_loss_is_the_weighted_sum_of_the_parts_on_their_own_batches(tiny_store: EpisodeStore) -> None:
    both = build("rotation+odd_one_out", {"weights": [2, 0.5], "rotation.batch": 4, "odd_one_out.batch": 3}).eval()
    both.prepare(tiny_store)
    clips = tiny_store.clips(both.pick(tiny_store.layout, np.random.default_rng(0)))
    assert clips.frames.shape[:3] == (4, 1, 1) and clips.others[0].frames.shape[:3] == (3, 1, 36)
    loss, drawn = both.loss(clips, rng()), rng()
    first = both.objectives["rotation"].loss(clips._replace(others=()), drawn)
    second = both.objectives["odd_one_out"].loss(clips.others[0], drawn)
    torch.testing.assert_close(loss.value, 2 * first.value + 0.5 * second.value)
    assert loss.metrics["rotation.accuracy"] == first.metrics["accuracy"]
    torch.testing.assert_close(loss.metrics["odd_one_out.loss"], second.value.detach())


def test_losses_of_any_size_pull_alike(tiny_store: EpisodeStore) -> None:
    def pulls(times: float) -> tuple[torch.Tensor, float]:
        both = build("rotation+odd_one_out").train()
        one = both.objectives["rotation"]
        own = one.loss

        def scaled(clips: Clips, rng: torch.Generator) -> Loss:
            found = own(clips, rng)
            return found._replace(value=times * found.value)

        one.loss = scaled  # type: ignore[method-assign]
        both.prepare(tiny_store)
        for step in range(2):  # what the first batches said is kept
            clips = tiny_store.clips(both.pick(tiny_store.layout, np.random.default_rng(step)))
            both.zero_grad()
            loss = both.loss(clips, rng()).value
        loss.backward()
        return torch.cat(
            [one.grad.flatten() for one in both.backbone.parameters() if one.grad is not None]
        ), loss.item()

    (small, one), (large, other) = pulls(1.0), pulls(1000.0)
    assert one == pytest.approx(other, rel=1e-4) and one != pytest.approx(2.0)
    assert (small - large).norm() < 1e-3 * small.norm()


@pytest.mark.parametrize("names", [*itertools.pairwise(TASKS), ("rotation", "jigsaw", "video_colorization")])
def test_any_mix_trains_one_backbone_and_opens_again(names, tiny_store: EpisodeStore, tmp_path: Path) -> None:
    """A pair of each task and the next: every one of the seventeen is in two."""
    objective = build("+".join(names))
    parts = objective.objectives.values()
    assert all(part.backbone is objective.backbone for part in parts)
    before = [value.clone() for value in objective.backbone.parameters()]
    config = FitConfig(steps=2, warmup=1, progress=False, device="cpu")
    opened = load_objective(fit(objective, tiny_store, tmp_path / "run", config))
    assert isinstance(opened, Combined) and spec_of(opened) == spec_of(objective)
    assert any(not torch.equal(old, new) for old, new in zip(before, objective.backbone.parameters(), strict=True))
    for name, value in objective.state_dict().items():
        assert torch.equal(opened.state_dict()[name], value), name
    assert sum(name.startswith("backbone.") for name in opened.state_dict()) == len(opened.backbone.state_dict())
    opened.prepare(tiny_store)
    clips = tiny_store.clips(opened.pick(tiny_store.layout, np.random.default_rng(0)))
    assert torch.equal(opened.loss(clips, rng()).value, objective.eval().loss(clips, rng()).value)


def test_gradient_of_every_part_reaches_the_backbone_they_share(tiny_store: EpisodeStore) -> None:
    objective = build("rotation+denoising+arrow_of_time")
    objective.prepare(tiny_store)
    clips = tiny_store.clips(objective.pick(tiny_store.layout, np.random.default_rng(0)))
    parts = (clips._replace(others=()), *clips.others)
    for part, own in zip(objective.objectives.values(), parts, strict=True):
        objective.zero_grad()
        part.loss(own, rng()).value.backward()
        assert all(weight.grad is not None and weight.grad.any() for weight in objective.backbone.parameters())


def test_the_least_memory_that_a_part_asks_for_is_the_optimisers() -> None:
    assert build("rotation+gan").betas == (0.5, 0.999) and build("rotation+jigsaw").betas == (0.9, 0.999)


def test_its_backbone_serves_another(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    objective = build("rotation+odd_one_out")
    checkpoint.save(
        tmp_path / "run" / "checkpoints" / "step-00000001", KIND, spec_of(objective), objective.state_dict(), {}
    )
    other = build_objective(ObjectiveSpec("tcn", {"size_px": 32}, str(tmp_path / "run"), seed=3))
    for name, value in objective.backbone.state_dict().items():
        assert torch.equal(other.backbone.state_dict()[name], value)


def test_a_part_that_embeds_is_in_eval_mode_with_the_backbone_of_the_mix(tiny_store: EpisodeStore) -> None:
    part = build("rotation+tcn", {"tcn.size_px": 32}).train().objectives["tcn"]
    assert isinstance(part, Embedding)
    frames = tiny_store.read(tiny_store.ids[0]).frames[0]
    whole = part.embed_hwc(frames)
    assert np.allclose(part.embed_hwc(frames[:1]), whole[:1], atol=1e-5) and part.backbone.training


def test_a_picture_a_part(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    write_pictures(tmp_path, build("rotation+odd_one_out"), tiny_store, seed=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "filters.png", "picture-odd_one_out.png", "picture-rotation.png"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rotation+rotation", {}, "names one twice"),
        ("rotation+jigsw", {}, "'jigsw' is no embedding or pretext task; the nearest are jigsaw"),
        ("rotation+jigsaw", {"batch": 3}, "batch is no option of 'rotation.jigsaw'; allowed are weights, and those"),
        ("rotation+jigsaw", {"jigsaw.batsh": 3}, "batsh"),
        ("rotation+jigsaw", {"weights": [1]}, r"weights are \[1.0\] for rotation.jigsaw; allowed is one above 0"),
        ("rotation+jigsaw", {"weights": [1, 0]}, r"weights are \[1.0, 0.0\]"),
    ],
)
def test_bad_mixes_are_refused_in_one_line(name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(name, options)


def test_one_batch_without_a_loss_is_not_what_the_others_are_measured_by(tiny_store: EpisodeStore) -> None:
    both = build("rotation+odd_one_out").train()
    part = both.objectives["rotation"]
    both.prepare(tiny_store)
    clips = tiny_store.clips(both.pick(tiny_store.layout, np.random.default_rng(0)))
    for value in (0.001, *[4.0] * 30, 400.0):
        part.loss = lambda clips, rng, value=value: Loss(torch.tensor(value), {})  # type: ignore[method-assign]
        both.loss(clips, rng())
    assert both.begun[0] / both.begun[-1] == pytest.approx((0.001 + 19 * 4.0) / 20)


@pytest.mark.parametrize("task", ["arrow_of_time", "rotation+video_colorization"])
def test_pictures_are_no_video(task: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{task.split('+')[-1]} learns from video"):
        train_pretext(PretextConfig(tmp_path / "run", images=tmp_path, task=task, backbone_options=BACKBONE))
    assert not (tmp_path / "run").exists()


def test_clips_of_fewer_parts_are_refused(tiny_store: EpisodeStore) -> None:
    both = build("rotation+denoising")
    clips = tiny_store.clips(both.pick(tiny_store.layout, np.random.default_rng(0)))
    with pytest.raises(InputError, match="the clips are of 1 parts; allowed are 2"):
        both.loss(clips._replace(others=()), rng())
    with pytest.raises(InputError):
        both.loss(Clips(torch.zeros(1, dtype=torch.uint8)), rng())


def test_the_script_s_function_takes_several(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    fit_config = FitConfig(steps=2, warmup=1, progress=False, device="cpu")
    config = PretextConfig(
        tmp_path / "run", tiny_store.root, task="rotation+arrow_of_time", backbone_options=BACKBONE, fit=fit_config
    )
    assert load_objective(train_pretext(config)).spec.name == "rotation+arrow_of_time"
    assert (tmp_path / "run" / "picture-arrow_of_time.png").is_file()
