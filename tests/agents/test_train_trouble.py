"""What goes wrong while a policy learns: it is said, and nothing is lost or left behind."""

from __future__ import annotations

import random
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from agents_toys import SIZE_PX, tiny

from agents import checkpoint
from agents.lesson import warn_of_other_video
from agents.train import train_agent
from agents.watch import Watch
from sslctrl.checkpoint import folders
from sslctrl.errors import InputError, Interrupted
from sslctrl.fit import FitConfig, fit
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective


@pytest.mark.parametrize(
    "changes", [{}, {"algorithm": "td3"}, pytest.param({"processes": True}, marks=pytest.mark.slow)]
)
def test_a_policy_that_diverges_is_one_line(changes: dict, recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not finite at step \d+ with lr 1e\+30; .*lower lr"):
        train_agent(tiny(recorded, tmp_path, lr=1e30, **changes))


def test_weights_that_are_not_finite_are_not_saved(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    real = Watch.save

    def save(watch: Watch, training: bool = True) -> Path:
        if watch.learned >= 80:
            next(watch.model.policy.parameters()).data[0] = torch.nan
        return real(watch, training)

    monkeypatch.setattr(Watch, "save", save)
    with pytest.raises(InputError, match=r"is not finite at step 80 with lr"):
        train_agent(tiny(recorded, tmp_path, checkpoint_every=40))
    assert [folder.name for folder in folders(tmp_path)] == ["step-00000040"]


def test_a_wish_to_stop_in_the_last_exam_ends_what_would_follow(recorded: Path, tmp_path: Path, monkeypatch) -> None:
    real = Watch.measure

    def measure(watch: Watch) -> None:
        signal.raise_signal(signal.SIGINT)
        real(watch)

    config = tiny(recorded, tmp_path, steps=40, eval_every=40, eval_episodes=2)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "measure", measure)
        with pytest.raises(Interrupted, match=r"stopped after the last step; saved .*step-00000040; run the same"):
            train_agent(config)
    assert train_agent(config).name == "step-00000040"


def test_opening_an_agent_leaves_global_randomness_alone(trained: Path) -> None:
    def states() -> list[str]:
        return [repr(random.getstate()), repr(np.random.get_state()[1].tobytes()), repr(torch.get_rng_state().tolist())]  # noqa: NPY002

    random.random(), torch.rand(3)  # whatever else the process draws
    before = states()
    checkpoint.load(trained)
    assert states() == before


def test_an_embedding_of_another_world_or_camera_is_told_of(recorded: Path, tmp_path: Path, caplog) -> None:
    spec = ObjectiveSpec(
        "tcn", {"size_px": SIZE_PX, "dim": 4, "cameras": ["left", "front"]}, "conv", {"widths": [4, 4, 4]}
    )
    one = FitConfig(1, warmup=0, progress=False, device="cpu")
    path = fit(build_objective(spec), EpisodeStore(recorded / "prior"), tmp_path / "tcn", one)
    own = tiny(recorded, tmp_path, embedding=path)
    state = replace(own, camera="top", observe="state", reward_from="state")
    for config in (own, replace(own, env_id="sslctrl/Reach-v0"), replace(own, camera="right"), state):
        warn_of_other_video(config)
    there = "the embedding learned from video of sslctrl/Push-v0, and the policy acts in sslctrl/Reach-v0"
    assert caplog.messages == [there, "the embedding learned through left, front, and the policy sees through right"]
