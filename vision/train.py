"""From a config to a trained checkpoint: what the scripts train_embedding and train_pretext call."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from sslctrl import checkpoint
from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError, Interrupted, SslctrlError, nearest
from sslctrl.fit import computes_on, fit
from sslctrl.import_folder import source_file
from sslctrl.import_images import import_images
from sslctrl.import_videos import import_videos
from sslctrl.objective import Objective
from sslctrl.rng import numpy_rng, torch_rng
from sslctrl.run import RunDir
from sslctrl.sampling import random_frames
from sslctrl.store import EpisodeStore
from sslctrl.views import enlarge, write_picture
from vision.build import ObjectiveSpec, build_objective
from vision.combined import Combined
from vision.filters import first_filters
from vision.image import IMAGE_TASKS
from vision.image_task import ImageTask, tiled
from vision.measure import check_heldout, measure
from vision.train_config import FREE, PretextConfig, TrainConfig
from vision.untrained import settle
from vision.video import VIDEO_TASKS
from vision.video_task import VideoTask

_SHOWN = 8
"""Images of a pretext task's picture."""


def train(config: TrainConfig) -> Path:
    """Train an embedding and return its last checkpoint; `<run>/metrics.json` where there is an `eval_store`, of which
    it is measured through the cameras that it learns from.

    Raises InputError for unknown names and options, a run inside its store and held-out episodes that are learned from,
    DataError for a store that is missing or damaged, StorageError where the run's folder cannot be written,
    Interrupted, with everything saved, after Ctrl-C.
    """
    _check_name(config.name, EMBEDDINGS.names(), "embedding")
    embedding = _built(config, config.name)
    if not isinstance(embedding, Embedding):
        raise InputError(f"{config.name!r} has no embed(); allowed is an Embedding; train others with train_pretext")
    held_out = None if config.eval_store is None else EpisodeStore(config.eval_store).intact()
    if held_out is not None:  # before the training, so that a mistake costs no hour
        check_heldout(embedding, held_out, embedding.learns_from)
    store = EpisodeStore(config.store)
    if held_out is not None:
        _check_unseen(held_out, store)
    if config.frozen:
        for backbone in embedding.backbones:
            settle(backbone, store, config.fit.seed)
    run, path = _fitted(config, embedding, store)
    if held_out is not None:
        run.write_json("metrics.json", measure(embedding, held_out, embedding.learns_from))
    return path


def train_pretext(config: PretextConfig) -> Path:
    """Train a pretext task and return its last checkpoint, for another objective's `init`; `picture.png` in the run's
    folder shows what it learned, `filters.png` its first layer. Raises as `train`.
    """
    for name in config.task.split("+"):
        _check_name(name, (*IMAGE_TASKS.names(), *VIDEO_TASKS.names()), "pretext task")
    objective = _built(config, config.task)
    if config.images is not None:
        _check_stills(objective)
    with _footage(config) as store:
        run, path = _fitted(config, objective, store)
        write_pictures(run.path, objective, store, config.fit.seed)
    return path


def write_pictures(folder: Path, objective: Objective, store: EpisodeStore, seed: int) -> None:
    """Write `picture.png`, what a pretext task makes of eight frames or clips of a store (of several, each its own,
    `picture-<task>.png`), and `filters.png`, the first layer, where that looks at images. Raises StorageError.
    """
    objective.eval()
    for name, task in pictured(objective).items():
        if (shown := _shown(task, store, seed)) is not None:
            _write(folder / name, shown)
    if (kernels := first_filters(objective.backbone)) is not None:
        _write(folder / "filters.png", kernels)


def pictured(objective: Objective) -> dict[str, Objective]:
    """Return which file of a run shows which task: one, or each of several."""
    if isinstance(objective, Combined):
        return {f"picture-{name.replace(':', '.')}.png": task for name, task in objective.objectives.items()}
    return {"picture.png": objective}


def _check_stills(objective: Objective) -> None:
    """Raise InputError where a task asks about video."""
    parts = objective.objectives if isinstance(objective, Combined) else {objective.spec.name: objective}
    if moving := [name for name, task in parts.items() if isinstance(task, VideoTask)]:
        raise InputError(
            f"{moving[0]} learns from video, and images are no video; allowed is --videos or --store; give one of them"
        )


def _shown(task: Objective, store: EpisodeStore, seed: int) -> Tensor | None:
    device, rng = task.device, numpy_rng(seed, 0, 9)
    if isinstance(task, ImageTask):
        clips = store.clips(random_frames(store.layout, rng, _SHOWN)._replace(depth=task.sees_depth))
        return _checked(task, task.shown(clips, torch_rng(seed, 0, 9, device)))
    if isinstance(task, VideoTask):
        task.prepare(store)
        shown = _checked(task, task.show(store.clips(task.pick(store.layout, rng)), torch_rng(seed, 0, 9, device)))
        return shown[:, :: -(-shown.shape[1] // _SHOWN)]  # of all the batch: one kind of clip may stand before another
    return None


def _checked(task: Objective, shown: Tensor) -> Tensor:
    """Raise InputError where what anybody's task shows is no pictures."""
    pictures = isinstance(shown, Tensor) and shown.ndim == 5 and shown.shape[2] == 3 and shown.numel() > 0
    if not pictures or not shown.is_floating_point():
        found = f"{shown.dtype} {tuple(shown.shape)}" if isinstance(shown, Tensor) else type(shown).__name__
        raise InputError(
            f"{type(task).__name__}.show returns {found}; allowed are pictures, float (rows, columns, 3, h, w) in "
            "[0, 1]; what it learned is saved: mend it, and run the same again"
        )
    return shown


def _write(path: Path, pictures: Tensor) -> None:
    write_picture(path, enlarge(tiled(pictures).movedim(0, -1).cpu().numpy()[None], 256)[0])


@contextmanager
def _footage(config: PretextConfig) -> Iterator[EpisodeStore]:
    """Open the one of store, images and videos that is given. What was imported for a run that is then refused before
    its first checkpoint is deleted, so that the next, with other options, does not take it for its own.
    """
    known = {path for path in Path(config.run).glob("*") if path.is_dir()}
    store = _opened(config)
    try:
        yield store
    except SslctrlError as error:
        imported = store.root not in known and store.root.parent == Path(config.run)
        if imported and not isinstance(error, Interrupted) and not checkpoint.folders(Path(config.run)):
            shutil.rmtree(store.root, ignore_errors=True)
            source_file(store.root).unlink(missing_ok=True)
        raise


def _opened(config: PretextConfig) -> EpisodeStore:
    given = (config.store, config.images, config.videos)
    if sum(one is not None for one in given) != 1:
        raise InputError(
            "store is {}, images is {}, videos is {}; allowed is one of the three; give one".format(*given)
        )
    for option, kinds in (("image_px", ("images", "videos")), ("crops", ("images",)), ("every", ("videos",))):
        value, default = getattr(config, option), PretextConfig.__dataclass_fields__[option].default
        if value != default and all(getattr(config, kind) is None for kind in kinds):
            raise InputError(f"{option} is {value}, without {' or '.join(kinds)}; allowed is {default}; leave it out")
    if config.images is not None:
        return import_images(config.images, Path(config.run) / "images", config.image_px, config.crops)
    if config.videos is not None:
        return import_videos(config.videos, Path(config.run) / "videos", config.image_px, config.every)
    assert config.store is not None
    return EpisodeStore(config.store)


def _check_name(name: str, names: Sequence[str], kind: str) -> None:
    if ":" not in name and name not in names:
        raise InputError(
            f"{name!r} is no {kind}; the nearest are {nearest(name, names)}; "
            "choose one, or name your own class as package.module:Class"
        )


def _built(config: TrainConfig | PretextConfig, name: str) -> Objective:
    init = "" if config.init is None else str(config.init)
    frozen = isinstance(config, TrainConfig) and config.frozen
    spec = ObjectiveSpec(
        name, config.options, config.backbone, config.backbone_options, init, frozen, seed=config.fit.seed
    )
    return build_objective(spec)


def _check_unseen(held_out: EpisodeStore, store: EpisodeStore) -> None:
    """Raise InputError where episodes to measure on are learned from."""
    learned = set(store.digests().values())
    if shared := [id for id, digest in held_out.digests().items() if digest in learned]:
        raise InputError(
            f"{len(shared)} of the {len(held_out)} episodes of {held_out.root} are in {store.root}, too (the first is "
            f"{shared[0]}); allowed are others than are learned from; record them with another seed"
        )


def _fitted(config: TrainConfig | PretextConfig, objective: Objective, store: EpisodeStore) -> tuple[RunDir, Path]:
    """Train in the run's folder, and return it and the last checkpoint."""
    store.check_outside(config.run)
    with RunDir(config.run, config, config.fit.seed, computes_on(config.fit.device), store.digest(), FREE) as run:
        return run, fit(objective, store, config.run, config.fit)
