"""Every objective learns, is looked at and embeds on a GPU: on a pretended one, so that any machine finds out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_gpu import FakeGpu, generator, moved

from sslctrl.embeddings import EMBEDDINGS
from sslctrl.embeddings.base import Embedding
from sslctrl.imagining import Imagining
from sslctrl.objective import Objective
from sslctrl.store import EpisodeStore
from vision import train
from vision.build import ObjectiveSpec, build_objective, objective_names

BODY = {"body": (0,)}
SOFT = {**BODY, "smooth": 0.1, "slow_start": 5}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in objective_names()),
    *((name, {"loss": "triplet"}) for name in ("tcn", "svtcn", "mftcn")),
    *((name, BODY) for name in ("tcn", "mftcn")),
    *((name, SOFT) for name in ("vae", "cc_vae")),
    ("rotation+jigsaw+arrow_of_time", {}),
]


def learned(name: str, options: dict[str, Any], store: EpisodeStore) -> Objective:
    """Return an objective after one batch and the end of its training, all of it on the GPU."""
    sizes = {"size_px": 32} if name in EMBEDDINGS.names() else {}
    objective = build_objective(ObjectiveSpec(name, sizes | options, "conv", {"widths": [8, 12], "strides": [2, 2]}))
    objective.to("cuda").train().prepare(store)
    clips = store.clips(objective.pick(store.layout, np.random.default_rng(0)))
    loss = objective.loss(moved(clips), generator())
    loss.value.backward()
    assert loss.value.is_cuda and all(value.is_cuda for value in loss.metrics.values())
    objective.eval().finish(store, np.random.default_rng(0))
    assert all(value.is_cuda for value in objective.state_dict().values())
    return objective


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda case: case if isinstance(case, str) else "-".join(case))
def test_every_objective_stays_on_the_gpu(
    name: str, options: dict[str, Any], tiny_store: EpisodeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "torch_rng", lambda *_: generator())
    with FakeGpu():
        objective = learned(name, options, tiny_store)
        if not isinstance(objective, Embedding):
            train.write_pictures(tmp_path, objective, tiny_store, seed=0)
            assert list(tmp_path.glob("picture*.png"))
            return
        video = tiny_store.read(tiny_store.ids[0]).frames[0]
        seen = objective.observe_hwc(objective.history.of(video))
        assert type(seen) is np.ndarray and np.isfinite(seen).all()
        np.testing.assert_array_equal(seen[:, : objective.dim], objective.embed_video(video))


@pytest.mark.parametrize("name", ["vae", "cc_vae", "autoencoder"])
def test_goals_are_imagined_there(name: str, tiny_store: EpisodeStore) -> None:
    with FakeGpu():
        embedding = learned(name, {}, tiny_store)
        assert isinstance(embedding, Imagining)
        z = embedding.goals.sample(5, torch.Generator())  # a policy's goals are drawn on the CPU
        frames = np.stack([tiny_store.read(tiny_store.ids[0]).frames[0, 0]] * 5)
        shown = embedding.decode(z.cpu(), torch.from_numpy(frames).movedim(-1, 1))
        assert z.is_cuda and shown.shape == (5, 3, 32, 32)


def test_what_is_pretended_refuses_what_a_gpu_would() -> None:
    with FakeGpu():
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        assert (there + torch.tensor(1.0)).is_cuda and there[torch.tensor([0])].is_cuda and not there.cpu().is_cuda
        assert there.max(dim=0).indices.is_cuda and torch.zeros_like(there).device.type == "cuda"
        there[:] = here  # copied, where no index is a tensor
        for refused in (
            lambda: there + here,
            lambda: torch.stack([there[0], here[0]]),
            lambda: torch.nn.functional.linear(there, torch.ones(2, 3)),
            lambda: torch.rand(3, generator=generator()),
            lambda: torch.rand(3, generator=torch.Generator(), device="cuda"),
            lambda: here[torch.zeros(1, dtype=torch.int64, device="cuda")],
            lambda: there.__setitem__(there > 0, here),
            lambda: here.__setitem__(there > 0, 1.0),
        ):
            with pytest.raises(RuntimeError):
                refused()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
