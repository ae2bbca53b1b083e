"""One loop that trains any objective on a store of video, and can be stopped and resumed without a trace."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from sslctrl import durable, training_state
from sslctrl.errors import InputError, Interrupted
from sslctrl.fit_config import FitConfig
from sslctrl.objective import Loss, Objective, check_loss, is_frozen, not_finite
from sslctrl.rng import numpy_rng, seed_of, torch_rng
from sslctrl.run_log import RunLog
from sslctrl.stopping import stop_requests
from sslctrl.store import EpisodeStore

__all__ = ["FitConfig", "computes_on", "fit", "learning_rate"]

_BATCH, _FINISH, _LAYERS = 0, 1, 2  # streams of a step's randomness


class _Job(NamedTuple):
    """What one run is made of."""

    objective: Objective
    store: EpisodeStore
    folder: Path
    config: FitConfig
    fabric: Fabric
    optimizer: torch.optim.Optimizer
    identity: dict[str, Any]


def fit(objective: Objective, store: EpisodeStore, run: Path, config: FitConfig) -> Path:
    """Train, and return the folder of the last checkpoint, `<run>/checkpoints/step-...`.

    A run that has a checkpoint goes on from the newest that verifies; on a CPU the result is the same bit for bit.
    Raises InputError where the run's folder belongs to another spec, store or config or where a loss or weight is not
    finite, DataError for a store that is damaged, StorageError where it cannot be written, Interrupted, with everything
    saved, after Ctrl-C or SIGTERM.
    """
    run = Path(run)
    identity = training_state.identity_of(objective, store, config)
    durable.make_folder(run / "checkpoints")
    durable.sweep(run / "checkpoints")
    torch.set_num_threads(config.threads)
    fabric = _fabric(config)
    objective.to(fabric.device)
    job = _Job(objective, store, run, config, fabric, _optimizer(objective, config), identity)
    done, path = training_state.restore(run, objective, job.optimizer, identity)
    if path is None or done < config.steps:
        store.intact()
        with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
            path = _train(job, done)
    objective.eval()
    return path


def _train(job: _Job, done: int) -> Path:
    """Go from `done` steps to the last; save, log and heed a wish to stop between steps."""
    config, model, optimizer = job.config, *job.fabric.setup(job.objective, job.optimizer)
    job.objective.prepare(job.store)
    model.mark_forward_method("loss")
    _train_mode(job.objective)
    bar = tqdm(total=config.steps, initial=done, unit="step", disable=None if config.progress else True)
    with stop_requests() as stop, RunLog(job.folder, done) as log, bar:
        frames, since = 0, time.perf_counter()
        while done < config.steps:
            rate = learning_rate(config, done)
            loss, seen = _step(job, model, optimizer, done, rate)
            done += 1
            frames += seen
            bar.update()
            if done % config.log_every == 0 or done == config.steps:
                values, now = _numbers(loss, done, config), time.perf_counter()
                log.write(done, {**values, "lr": rate, "frames_per_s": frames / (now - since)})
                bar.set_postfix(loss=f"{values['loss']:.4g}")
                frames, since = 0, now
            if done < config.steps and (stop.is_set() or done % config.checkpoint_every == 0):
                path = _save(job, done)
                if stop.is_set():
                    raise Interrupted(f"stopped at step {done} of {config.steps}; saved {path}; run the same to go on")
        _check(job, done)
        job.objective.eval()
        job.objective.finish(job.store, numpy_rng(config.seed, done, _FINISH))
        path = _save(job, done)
        if stop.is_set():
            raise Interrupted(f"stopped after the last step; saved {path}; run the same to go on with what follows")
        return path


def _check(job: _Job, done: int) -> None:
    """Raise InputError where a weight is not finite."""
    if name := not_finite(job.objective):
        raise _diverged(f"{name} is not finite", done, job.config)


def _save(job: _Job, done: int) -> Path:
    """Publish the checkpoint of a step. Raises InputError, saving nothing, where a weight is not finite."""
    _check(job, done)
    return training_state.save(job.folder, job.objective, job.optimizer, done, job.identity, job.store)


def _train_mode(objective: Objective) -> None:
    """Put an objective into training mode, but for parts of which no weight learns: they keep their statistics, too."""
    objective.train()
    for part in objective.modules():
        if is_frozen(part):
            part.eval()


def _step(job: _Job, model: Any, optimizer: Any, step: int, rate: float) -> tuple[Loss, int]:
    """Learn from one batch, a pure function of seed and step; return its loss and how many frames it had."""
    seed, device = job.config.seed, job.fabric.device
    for group in job.optimizer.param_groups:
        group["lr"] = rate
    torch.manual_seed(seed_of(seed, step, _LAYERS))  # for layers that know no generator but the global: dropout
    clips = job.store.clips(job.objective.pick(job.store.layout, numpy_rng(seed, step, _BATCH)))
    loss = model.loss(job.fabric.to_device(clips), torch_rng(seed, step, _BATCH, device))
    check_loss(loss, job.objective)
    if not loss.value.requires_grad:
        raise InputError(
            f"{type(job.objective).__name__}.loss returns a value without gradient; allowed is one that depends on "
            "weights that learn; mend it, or what is frozen"
        )
    job.fabric.backward(loss.value)
    if job.config.clip:
        job.fabric.clip_gradients(model, optimizer, max_norm=job.config.clip, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()
    return loss, sum(one.frames.shape[:3].numel() for one in (clips, *clips.others))


def computes_on(device: str) -> str:
    """Return what auto, cpu or cuda means here: the GPU's name, or cpu."""
    return torch.cuda.get_device_name() if device != "cpu" and torch.cuda.is_available() else "cpu"


def learning_rate(config: FitConfig, step: int) -> float:
    """Return the learning rate of a step: a linear rise over `warmup` steps, then half a cosine to 0 at `steps`."""
    warmup = min(config.warmup, config.steps // 2)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (config.steps - warmup)))


def _fabric(config: FitConfig) -> Fabric:
    gpu = torch.cuda.is_available()
    if config.device == "cuda" and not gpu:
        raise InputError("device is 'cuda', and torch finds no GPU here; allowed is cpu or auto; change it")
    if gpu and config.device != "cpu":
        logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.ERROR)  # advice on TF32
        return Fabric(accelerator="cuda", devices=1)
    return Fabric(accelerator="cpu", devices=1)


def _optimizer(objective: Objective, config: FitConfig) -> torch.optim.Optimizer:
    learned = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learned if parameter.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, lr=config.lr, betas=objective.betas, fused=True)


def _numbers(loss: Loss, step: int, config: FitConfig) -> dict[str, float]:
    """Fetch a step's loss and metrics from the device. Raises InputError where the loss is not finite."""
    values = {"loss": loss.value.item()} | {name: float(value) for name, value in loss.metrics.items()}
    if not math.isfinite(values["loss"]):
        raise _diverged(f"the loss is {values['loss']}", step, config)
    return values


def _diverged(what: str, step: int, config: FitConfig) -> InputError:
    return InputError(
        f"{what} at step {step} with lr {config.lr}; allowed are finite losses and weights; "
        "lower lr or set clip, and give another run folder"
    )
