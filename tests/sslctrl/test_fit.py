from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sslctrl.checkpoint import read
from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import CheckpointError, DataError, InputError, Interrupted, SslctrlError, StorageError
from sslctrl.fit import FitConfig, fit, learning_rate
from sslctrl.objective import Loss, Objective, to_float
from sslctrl.registry import Spec
from sslctrl.store import EpisodeStore

CONFIG = FitConfig(steps=10, warmup=2, checkpoint_every=3, log_every=2, progress=False, device="cpu", seed=7)


class Autoencoder(Objective):
    """A net with everything that resuming must carry: BatchNorm, dropout, draws from the generator, a late buffer."""

    mean: torch.Tensor

    def __init__(
        self,
        stop_at: int | None = None,
        by: int = signal.SIGTERM,
        nan_at: int | None = None,
        width: int = 4,
        steep_at: int | None = None,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.Dropout(0.2), nn.ConvTranspose2d(width, 3, 4, 2, 1)
        )
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("mask", torch.full((3,), -torch.inf))  # of a user's own net
        self.spec = Spec("autoencoder", {"width": width})
        self.stop_at, self.by, self.nan_at, self.steep_at, self.calls = stop_at, by, nan_at, steep_at, 0

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        episode = rng.integers(len(layout.lengths), size=4)
        return Pick(
            episode, rng.integers(layout.views, size=(4, 1)), rng.integers(layout.lengths.min(), size=(4, 1, 1))
        )

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        self.calls += 1
        if self.calls == self.stop_at:
            os.kill(os.getpid(), self.by)
        images = to_float(clips.frames, "cpu").flatten(0, 2)
        noisy = images + 0.1 * torch.randn(images.shape, generator=rng)
        value = (self.net(noisy) - images).square().mean()
        if self.calls == self.nan_at:
            value = value * float("nan")
        if self.calls == self.steep_at:
            value = value + (0 * value).sqrt()  # finite, and its gradient is not
        return Loss(value, {"brightness": images.mean()})

    def finish(self, store: EpisodeStore, rng: np.random.Generator) -> None:
        assert not self.training and all(weight.isfinite().all() for weight in self.parameters())
        frames = store.read(store.ids[rng.integers(len(store))]).frames
        self.mean.copy_(torch.from_numpy(frames.mean((0, 1, 2, 3)).astype(np.float32)))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(
    tiny_store: EpisodeStore, tmp_path: Path, by: int
) -> None:
    straight = fit(Autoencoder(), tiny_store, tmp_path / "straight", CONFIG)
    with pytest.raises(Interrupted, match=r"stopped at step 5 of 10; saved .*step-00000005; run the same"):
        fit(Autoencoder(stop_at=5, by=by), tiny_store, tmp_path / "resumed", CONFIG)
    torch.rand(3)  # whatever else the process draws must not matter
    second = Autoencoder()
    resumed = fit(second, tiny_store, tmp_path / "resumed", CONFIG)
    assert second.calls == 5
    assert resumed == tmp_path / "resumed/checkpoints/step-00000010"
    assert contents(straight) == contents(resumed)
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("straight", "resumed")]
    losses = [[(r["step"], r["loss"], r["brightness"], r["lr"]) for r in map(json.loads, side)] for side in lines]
    assert losses[0] == losses[1]
    assert [row[0] for row in losses[0]] == [2, 4, 6, 8, 10]


def test_a_killed_run_goes_on_from_its_last_checkpoint(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    straight = fit(Autoencoder(), tiny_store, tmp_path / "straight", CONFIG)
    program = (
        "import signal, sys; from pathlib import Path; from test_fit import CONFIG, Autoencoder, EpisodeStore, fit\n"
        "fit(Autoencoder(8, signal.SIGKILL), EpisodeStore(sys.argv[1]), Path(sys.argv[2]), CONFIG)"
    )
    here = Path(__file__).parent
    paths = os.pathsep.join(map(str, [here, here.parents[1]]))
    command = [sys.executable, "-c", program, str(tiny_store.root), str(tmp_path / "killed")]
    assert subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}).returncode == -signal.SIGKILL
    second = Autoencoder()
    resumed = fit(second, tiny_store, tmp_path / "killed", CONFIG)
    assert second.calls == 4
    assert contents(straight) == contents(resumed)
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed/metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 8, 10]


def test_checkpoint_carries_buffers_of_training_and_of_finish(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    objective = Autoencoder()
    path = fit(objective, tiny_store, tmp_path, CONFIG)
    saved = read(path, "objective")
    assert saved.spec == {"name": "autoencoder", "options": {"width": 4}}
    assert saved.extra["step"] == 10
    assert saved.tensors["mean"].min() > 0
    assert saved.tensors["net.1.num_batches_tracked"] == 10
    for name, value in objective.state_dict().items():
        assert torch.equal(saved.tensors[name], value), name


def test_only_the_newest_two_are_kept_and_a_finished_run_is_returned(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    path = fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    names = sorted(folder.name for folder in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000009", "step-00000010"]
    again = Autoencoder()
    assert fit(again, tiny_store, tmp_path, CONFIG) == path
    assert again.calls == 0
    assert torch.equal(again.state_dict()["net.0.weight"], read(path, "objective").tensors["net.0.weight"])


def test_a_damaged_newest_checkpoint_is_passed_over(
    tiny_store: EpisodeStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    whole = contents(path)
    weights = path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    objective = Autoencoder()
    fit(objective, tiny_store, tmp_path, CONFIG)
    assert objective.calls == 1
    assert "passing over" in caplog.text
    assert contents(path) == whole
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"every checkpoint in .* is damaged; delete"):
        fit(Autoencoder(), tiny_store, tmp_path, CONFIG)


@pytest.mark.parametrize(("field", "value"), [("lr", 0.5), ("seed", 8), ("steps", 11), ("clip", 1.0)])
def test_another_config_is_refused_by_name(tiny_store: EpisodeStore, tmp_path: Path, field: str, value: Any) -> None:
    fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    with pytest.raises(InputError, match=rf"started with {field} = .* go on with {value}; .*another run folder"):
        fit(Autoencoder(), tiny_store, tmp_path, replace(CONFIG, **{field: value}))


def test_changed_code_is_one_clear_line(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    changed = Autoencoder()
    changed.net.append(nn.Conv2d(3, 3, 1))
    with pytest.raises(CheckpointError, match="does not fit Autoencoder, whose code must have changed"):
        fit(changed, tiny_store, tmp_path, CONFIG)


def test_another_spec_or_store_is_refused(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    with pytest.raises(InputError, match=r"started with spec\.options\.width = 4, and .* 5;"):
        fit(Autoencoder(width=5), tiny_store, tmp_path, CONFIG)
    with pytest.raises(InputError, match="started with other video"):
        fit(Autoencoder(), tiny_store.subset(tiny_store.ids[:2]), tmp_path, CONFIG)


def test_training_lowers_the_loss_and_leaves_global_randomness_alone(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    objective = Autoencoder()
    state = torch.random.get_rng_state()
    config = FitConfig(steps=60, lr=1e-2, warmup=5, log_every=1, clip=1.0, device="cpu", progress=False)
    fit(objective, tiny_store, tmp_path, config)
    assert torch.equal(torch.random.get_rng_state(), state)
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [record["loss"] for record in records]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
    assert min(record["frames_per_s"] for record in records) > 0
    assert list((tmp_path / "tb").glob("events.out.tfevents.*"))


def test_gradients_are_clipped_and_weights_decay_where_biases_do_not(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    def after_one_step(name: str, **options: float):
        path = fit(Autoencoder(), tiny_store, tmp_path / name, replace(CONFIG, steps=1, warmup=0, **options))
        return read(path, "objective", training=True)

    def gradient(saved) -> float:  # Adam's first mean is a tenth of it
        means = [value for name, value in saved.training.items() if name.endswith("exp_avg")]
        return torch.cat([10 * value.flatten() for value in means]).norm().item()

    assert gradient(after_one_step("free", clip=0.0)) > 2e-3
    assert gradient(after_one_step("cut", clip=1e-3)) == pytest.approx(1e-3, rel=1e-2)
    none, much = (after_one_step(f"{decay}", weight_decay=decay).tensors for decay in (0.0, 100.0))
    assert not torch.equal(none["net.0.weight"], much["net.0.weight"])
    assert torch.equal(none["net.0.bias"], much["net.0.bias"])


def test_video_that_was_damaged_is_not_learned_from(square_store: EpisodeStore, tmp_path: Path) -> None:
    file = next(square_store.root.glob("*/frames.npy"))
    damaged = bytearray(file.read_bytes())
    damaged[-5] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(DataError, match="sha256"):
        fit(Autoencoder(), square_store, tmp_path / "run", CONFIG)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.parametrize("betas", [Autoencoder.betas, (0.5, 0.99)])
def test_an_objective_has_its_own_betas(tiny_store: EpisodeStore, tmp_path: Path, betas: tuple[float, float]) -> None:
    objective = Autoencoder()
    objective.betas = betas
    path = fit(objective, tiny_store, tmp_path, replace(CONFIG, steps=1))
    saved = read(path, "objective", training=True).training
    mean, square = (saved[f"net.0.weight.{name}"] for name in ("exp_avg", "exp_avg_sq"))
    gradient = mean / (1 - betas[0])  # after one step
    torch.testing.assert_close(square, (1 - betas[1]) * gradient.square())


def test_learning_rate_rises_then_falls_to_zero() -> None:
    config = FitConfig(steps=100, lr=2.0, warmup=10)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(1.0)
    assert rates[99] == pytest.approx(0, abs=1e-3)
    assert np.all(np.diff(rates[10:]) < 0)
    short = FitConfig(steps=5, lr=1.0, warmup=10)
    assert [learning_rate(short, step) for step in range(3)] == [0.5, 1.0, 1.0] and learning_rate(short, 4) < 0.3
    assert learning_rate(FitConfig(steps=1, lr=1.0, warmup=10), 0) == 1.0


def test_a_loss_that_is_not_finite_is_an_error_and_is_never_saved(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the loss is nan at step 6 with lr 0.001; .*lower lr"):
        fit(Autoencoder(nan_at=6), tiny_store, tmp_path, CONFIG)
    assert [folder.name for folder in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (lambda loss: loss.value, "a Tensor"),
        (lambda loss: loss._replace(value=loss.value.expand(4)), r"a value of shape \(4,\)"),
        (lambda loss: loss._replace(value=1.0), "a Loss of a float and a dict"),
        (lambda loss: loss._replace(metrics=None), "a Loss of a Tensor and a NoneType"),
        (lambda loss: loss._replace(metrics={"accuracy": torch.ones(4, 1)}), r"accuracy of \(4, 1\) among its metrics"),
        (lambda loss: loss._replace(metrics={"accuracy": "good"}), "accuracy of str among its metrics"),
    ],
)
def test_a_loss_that_is_none_is_one_line(
    tiny_store: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, returned, found: str
) -> None:
    whole = Autoencoder.loss
    monkeypatch.setattr(Autoencoder, "loss", lambda *args: returned(whole(*args)))
    with pytest.raises(InputError, match=rf"Autoencoder.loss returns {found}; allowed is a Loss\(value, metrics\)"):
        fit(Autoencoder(), tiny_store, tmp_path, CONFIG)


def test_a_loss_without_gradient_is_one_line(tiny_store: EpisodeStore, tmp_path: Path, monkeypatch) -> None:
    whole = Autoencoder.loss
    monkeypatch.setattr(Autoencoder, "loss", lambda *args: Loss(whole(*args).value.detach(), {}))
    with pytest.raises(InputError, match=r"a value without gradient; allowed is one that depends on weights"):
        fit(Autoencoder(), tiny_store, tmp_path, CONFIG)


@pytest.mark.parametrize(("step", "saved"), [(6, ["step-00000003"]), (10, ["step-00000006", "step-00000009"])])
def test_weights_that_are_not_finite_are_never_saved(
    tiny_store: EpisodeStore, tmp_path: Path, step: int, saved: list[str]
) -> None:
    with pytest.raises(InputError, match=rf"net.0.weight is not finite at step {step} with lr 0.001; .*lower lr"):
        fit(Autoencoder(steep_at=step), tiny_store, tmp_path, CONFIG)
    assert sorted(folder.name for folder in (tmp_path / "checkpoints").iterdir()) == saved


def test_a_wish_to_stop_in_the_last_step_ends_what_would_follow(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"stopped after the last step; saved .*step-00000010; run the same"):
        fit(Autoencoder(stop_at=10), tiny_store, tmp_path / "stopped", CONFIG)
    stopped = fit(Autoencoder(), tiny_store, tmp_path / "stopped", CONFIG)
    assert contents(stopped) == contents(fit(Autoencoder(), tiny_store, tmp_path / "straight", CONFIG))


def test_no_place_to_write_is_a_storage_error(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*choose a folder"):
        fit(Autoencoder(), tiny_store, tmp_path / "file" / "run", CONFIG)


def test_an_objective_without_spec_is_refused(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    objective = Autoencoder()
    del objective.spec
    with pytest.raises(InputError, match="Autoencoder has no spec"):
        fit(objective, tiny_store, tmp_path, CONFIG)


def test_fit_works_outside_the_main_thread(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    paths: list[Path] = []
    worker = threading.Thread(target=lambda: paths.append(fit(Autoencoder(), tiny_store, tmp_path, CONFIG)))
    worker.start()
    worker.join()
    assert paths and read(paths[0], "objective").extra["step"] == 10


def test_signal_handlers_are_put_back(tiny_store: EpisodeStore, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted):
        fit(Autoencoder(stop_at=1), tiny_store, tmp_path, CONFIG)
    fit(Autoencoder(), tiny_store, tmp_path, CONFIG)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("bad", [{"steps": 0}, {"lr": float("nan")}, {"clip": -1.0}, {"device": "tpu"}])
def test_config_refuses_values_that_cannot_be(bad: dict[str, Any]) -> None:
    (name,) = bad
    with pytest.raises(InputError, match=f"^{name} is .*; allowed"):
        replace(CONFIG, **bad)


def test_to_float_keeps_channels_last_and_refuses_floats() -> None:
    frames = torch.arange(48, dtype=torch.uint8).reshape(1, 4, 4, 3).movedim(-1, -3)
    converted = to_float(frames, "cpu")
    assert converted.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(converted, frames.to(torch.float32) / 255)
    for wrong in (frames.float(), frames[0], frames.movedim(1, -1)):
        with pytest.raises(SslctrlError, match=r"allowed are uint8 \(\.\.\., 3, H, W\)"):
            to_float(wrong, "cpu")
