from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sslctrl import checkpoint
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import CheckpointError, InputError
from sslctrl.objective import Loss, Objective
from sslctrl.training_state import KIND, spec_of
from vision import backbones
from vision.backbones.conv import Conv
from vision.build import ObjectiveSpec, build_objective, build_saved, load_embedding, load_objective, objective_names

TCN = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32}
TINY = {"widths": [4, 8], "strides": [2, 2]}


def spec(name: str = "tcn", **changes) -> ObjectiveSpec:
    return ObjectiveSpec(name, **{"options": TCN if name == "tcn" else {}, "backbone_options": TINY} | changes)


def saved(objective: Objective, path: Path) -> Path:
    checkpoint.save(path, KIND, spec_of(objective), objective.state_dict(), {})
    return path


def test_builds_by_name_and_records_its_options() -> None:
    objective = build_objective(spec())
    assert spec_of(objective)["name"] == "tcn" and spec_of(objective)["options"]["steps_per_batch"] == 50
    assert spec_of(objective)["backbone_options"]["widths"] == [4, 8]


def test_weights_are_a_function_of_the_seed_and_the_global_generators_are_left_alone(monkeypatch) -> None:
    torch.manual_seed(7)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: pytest.fail("a GPU's generator was seeded"))
    before = torch.get_rng_state()
    first, again, other = (build_objective(spec(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.points.weight"], other["head.points.weight"])


def test_round_trip(tmp_path: Path) -> None:
    objective = build_objective(spec(seed=3))
    path = saved(objective, tmp_path / "c")
    opened = load_embedding(path)
    frames = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(opened.embed(frames), objective.embed(frames))  # type: ignore[operator]
    assert not opened.training and spec_of(opened) == spec_of(objective)


def test_a_run_s_folder_stands_for_its_newest_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for step, seed in ((10, 3), (20, 4)):
        saved(build_objective(spec(seed=seed)), run / "checkpoints" / f"step-{step:08d}")
    newest = build_objective(spec(seed=4)).state_dict()
    for opened in (load_embedding(run), build_objective(spec(init=str(run)))):
        assert torch.equal(opened.state_dict()["backbone.layers.0.0.weight"], newest["backbone.layers.0.0.weight"])


class OfOneSize(torch.nn.Module):
    """Reads images of 32 px alone."""

    channels = 3

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] == 32
        return images


class Flat(torch.nn.Module):
    """No map, and of another number of channels than it says."""

    channels = 5

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


class Wide(Embedding):
    """Of another width than it says."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__(backbone, dim=2, size_px=32)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        raise NotImplementedError

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        raise NotImplementedError

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def test_what_could_not_be_opened_again_has_no_spec() -> None:
    objective = EMBEDDINGS.build("tcn", {}, backbone=Conv((4, 8), (2, 2)))
    with pytest.raises(InputError, match="backbone of Tcn, a Conv, has no spec"):
        spec_of(objective)


def test_a_backbone_may_read_images_of_one_size_alone() -> None:
    objective = build_objective(spec("rotation", backbone="test_build:OfOneSize", backbone_options={}))
    assert isinstance(objective.backbone, OfOneSize)


def test_a_pretext_task_initialises_an_embedding(tmp_path: Path) -> None:
    pretext = build_objective(spec("rotation", seed=5))
    path = saved(pretext, tmp_path / "c")
    plain, started = build_objective(spec()), build_objective(spec(init=str(path)))
    for name, value in pretext.backbone.state_dict().items():
        assert torch.equal(started.backbone.state_dict()[name], value)
    assert not torch.equal(plain.backbone.layers[0][0].weight, started.backbone.layers[0][0].weight)  # type: ignore[index]


def test_a_runs_folder_is_a_backbone(tmp_path: Path) -> None:
    first, last = (build_objective(spec("rotation", seed=seed)) for seed in (5, 6))
    saved(first, tmp_path / "run" / "checkpoints" / "step-00000001")
    path = saved(last, tmp_path / "run" / "checkpoints" / "step-00000002")
    for folder in (tmp_path / "run", path):
        started = build_objective(spec(backbone=str(folder), backbone_options={}))
        assert spec_of(started) == spec_of(build_objective(spec()))
        for name, value in last.backbone.state_dict().items():
            assert torch.equal(started.backbone.state_dict()[name], value)


def test_a_folder_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no folder .*/typo; the nearest backbones are"):
        build_objective(spec(backbone=str(tmp_path / "typo"), backbone_options={}))


@pytest.mark.parametrize("more", [{"backbone_options": TINY}, {"init": "elsewhere"}])
def test_a_runs_folder_has_options_and_weights_of_its_own(more: dict, tmp_path: Path) -> None:
    path = saved(build_objective(spec("rotation")), tmp_path / "c")
    with pytest.raises(InputError, match="leave init and backbone_options out"):
        build_objective(spec(**{"backbone": str(path), "backbone_options": {}} | more))


def test_a_folder_does_not_choose_what_code_runs(tmp_path: Path) -> None:
    its = {"name": "rotation", "options": {}, "backbone": "nets_never_imported:Net", "backbone_options": {}}
    checkpoint.save(tmp_path / "c", KIND, its, {}, {})
    with pytest.raises(InputError, match="if you trust that code"):
        build_objective(spec(backbone=str(tmp_path / "c"), backbone_options={}))
    assert "nets_never_imported" not in sys.modules
    with pytest.raises(CheckpointError):
        build_objective(spec(backbone=str(tmp_path), backbone_options={}))


@pytest.mark.parametrize("name", EMBEDDINGS.names())
def test_every_backbone_starts_from_the_same_weights(name: str, tmp_path: Path) -> None:
    pretext = build_objective(spec("rotation", seed=5))
    path = saved(pretext, tmp_path / "c")
    started = build_objective(spec(name, options={"size_px": 32}, init=str(path)))
    theirs = [part for part in started.modules() if isinstance(part, type(pretext.backbone))]
    assert len(theirs) == len(started.backbones) == (2 if name in ("grasp2vec", "cc_vae") else 1)
    for backbone in started.backbones:
        for key, value in pretext.backbone.state_dict().items():
            assert torch.equal(backbone.state_dict()[key], value)


def test_init_refuses_another_backbone_and_another_kind(tmp_path: Path) -> None:
    path = saved(build_objective(spec("rotation")), tmp_path / "c")
    with pytest.raises(CheckpointError, match="do not fit backbone 'resnet'"):
        build_objective(spec(backbone="resnet", backbone_options={"width": 4, "blocks": [1]}, init=str(path)))
    with pytest.raises(CheckpointError, match="do not fit backbone 'conv'"):
        build_objective(spec(backbone_options={"widths": [4, 4], "strides": [2, 2]}, init=str(path)))
    checkpoint.save(tmp_path / "agent", "agent", {}, {}, {})
    with pytest.raises(CheckpointError, match="kind 'agent'"):
        build_objective(spec(init=str(tmp_path / "agent")))
    with pytest.raises(CheckpointError):
        build_objective(spec(init=str(tmp_path / "nowhere")))


def test_a_pretext_task_is_no_embedding(tmp_path: Path) -> None:
    path = saved(build_objective(spec("rotation")), tmp_path / "c")
    load_objective(path)
    with pytest.raises(CheckpointError, match="no embed"):
        load_embedding(path)


def test_refuses_a_checkpoint_that_does_not_fit_or_says_too_little(tmp_path: Path) -> None:
    objective = build_objective(spec())
    weights = objective.state_dict()
    weights.pop("readout")
    checkpoint.save(tmp_path / "a", KIND, spec_of(objective), weights, {})
    with pytest.raises(CheckpointError, match="readout"):
        load_objective(tmp_path / "a")
    checkpoint.save(tmp_path / "b", KIND, {"name": "tcn"}, weights, {})
    with pytest.raises(CheckpointError, match="backbone"):
        load_objective(tmp_path / "b")
    checkpoint.save(tmp_path / "c", KIND, spec_of(objective) | {"later": 1}, weights, {})
    with pytest.raises(CheckpointError, match="c: it says later, which no objective here has"):
        load_objective(tmp_path / "c")


@pytest.mark.parametrize(
    "wrong",
    [{"options": [1]}, {"options": None}, {"options": {"dim": 10**12}}, {"name": 3}, {"backbone": None},
     {"backbone_options": [1]}],
)  # fmt: skip
def test_what_a_file_says_is_refused_in_one_line_where_it_cannot_be_built(wrong: dict, tmp_path: Path) -> None:
    objective = build_objective(spec())
    checkpoint.save(tmp_path / "c", KIND, spec_of(objective) | wrong, objective.state_dict(), {})
    with pytest.raises(CheckpointError, match=r"c: what it says cannot be built \(\w+Error: .*; use another"):
        load_objective(tmp_path / "c")


def test_what_a_file_says_beside_its_spec_may_be_anything(tmp_path: Path) -> None:
    objective = build_objective(spec("rotation"))
    for extra in ({"identity": [1], "step": 1}, {"identity": {"steps": 3}, "step": "x"}):
        checkpoint.save(tmp_path / "c", KIND, spec_of(objective), objective.state_dict(), extra)
        load_objective(tmp_path / "c")
    checkpoint.save(tmp_path / "d", KIND, spec_of(objective) | {"backbone_options": [1]}, objective.state_dict(), {})
    with pytest.raises(CheckpointError, match=r"backbone's options are \[1\]"):
        build_objective(spec(backbone=str(tmp_path / "d"), backbone_options={}))


def test_what_a_stopped_run_left_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    objective = build_objective(spec())
    for step in (3, 9):
        extra = {"step": step, "identity": {"steps": 9}}
        checkpoint.save(tmp_path / f"{step}", KIND, spec_of(objective), objective.state_dict(), extra)
        load_embedding(tmp_path / f"{step}")
    said = f"{tmp_path / '3'} is of step 3 of 9: its run was stopped, and lacks what the end adds"
    assert caplog.messages == [said]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "tnc"}, "nearest are tcn"),
        ({"backbone": "resnt"}, "nearest are resnet"),
        ({"options": {"dmi": 3}}, "no option 'dmi'"),
        ({"options": {"loss": "contrastive"}}, "'loss'"),
        ({"backbone_options": {"widths": [4, 8], "strides": [2]}}, "one stride a width"),
        ({"backbone": "torch.nn:Identity", "backbone_options": {}}, "Identity.channels is None"),
        ({"backbone": "test_build:Flat", "backbone_options": {}}, r"into \(1, 3\); allowed is a map \(1, 5, h, w\)"),
        ({"name": "vae", "backbone": "test_build:Flat", "backbone_options": {}, "options": {}}, "allowed is a map"),
        *(
            ({"name": name, "options": {}}, r"returns \(1, 3\) of one moment; allowed is \(1, 2\)")
            for name in ("test_build:Wide", "rotation+test_build:Wide")
        ),
    ],
)
def test_bad_input_is_one_line(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        build_objective(spec(**changes))
    assert "\n" not in str(caught.value)


def test_a_new_file_s_class_is_held_to_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flat_in_a_file.py").write_text(
        "from torch import nn\n"
        "class Flat(nn.Sequential):\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__(nn.Conv2d(3, 4, 4, 4))\n"
        "        self.channels = 5\n"
    )
    folders = [*backbones.__path__, str(tmp_path)]
    monkeypatch.setattr(backbones, "__path__", folders)
    monkeypatch.setattr(backbones.__spec__, "submodule_search_locations", folders)
    with pytest.raises(InputError, match=r"Flat turns an image of .* \(1, 4, .* as its channels say"):
        build_objective(spec("rotation", backbone="flat_in_a_file", backbone_options={}))
    del sys.modules["vision.backbones.flat_in_a_file"]


def test_a_users_own_classes_run_only_where_they_are_allowed(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, width: int = 4) -> None:\n"
        "        super().__init__(nn.Conv2d(3, width, 4, 4))\n"
        "        self.channels = width\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    objective = build_objective(spec(backbone="mine:Net", backbone_options={"width": 5}))
    path = saved(objective, tmp_path / "c")
    del sys.modules["mine"]
    with pytest.raises(InputError, match=r"allow=\['mine:Net'\]"):
        load_objective(path)
    assert "mine" not in sys.modules
    assert load_objective(path, allow=["mine:Net"]).backbone.channels == 5
    both = {"name": "rotation+mine:Task", "options": {}, "backbone": "mine:Net", "backbone_options": {}}
    with pytest.raises(InputError, match="give --allow mine:Task mine:Net, in Python"):
        build_saved(both, allow=())
    with pytest.raises(InputError, match=r"^'mine:Task' is code .*allow=\['mine:Task', 'mine:Net'\]"):
        build_saved(both, allow=["mine:Net"])


def test_names_are_listed() -> None:
    assert {"tcn", "vae", "autoencoder", "rotation"} <= set(objective_names())


def test_sizes_that_no_machine_has_are_one_line_and_of_a_file_damage() -> None:
    asked = spec(backbone_options={"widths": [10**12, 8], "strides": [2, 2]})
    with pytest.raises(InputError, match=r"cannot be built .* change the options") as caught:
        build_objective(asked)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="cannot be built"):
        build_saved(vars(asked))
