"""Recorded pushing and a tiny embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agents_toys import SIZE_PX, tiny

from agents.train import train_agent
from envs.collect import CollectConfig, record_episode
from sslctrl import checkpoint, training_state
from sslctrl.store import EpisodeStore
from vision.build import ObjectiveSpec, build_objective


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `demo` (one expert episode), `prior` (two of 60 steps: longer than the world's limit), and
    untrained `embedding`, `motion` (three frames a moment), `vae_of_all`, and, of the front camera, `vae` and `cc_vae`.
    """
    root = tmp_path_factory.mktemp("agents")
    for name, episodes, behavior, steps in (("demo", 1, "expert", None), ("prior", 2, "noisy", 60)):
        config = CollectConfig(
            root / name, behaviors=(behavior,), variety="fixed", size_px=SIZE_PX, seed=5, steps=steps
        )
        store = EpisodeStore(root / name, create=True)
        for index in range(episodes):
            store.add(record_episode(config, index))
    sizes = {"size_px": SIZE_PX, "dim": 4, "points": 4}
    kinds = {
        "embedding": ("tcn", {**sizes, "hidden": 0}),
        "motion": ("mftcn", {**sizes, "hidden": 8, "frames": 3}),
        "vae": ("vae", {"camera": "front", "size_px": SIZE_PX, "dim": 3, "width": 2}),
        "vae_of_all": ("vae", {"size_px": SIZE_PX, "dim": 3, "width": 2}),
        "cc_vae": ("cc_vae", {"camera": "front", "size_px": SIZE_PX, "dim": 3, "context_dim": 2, "width": 2}),
    }
    for folder, (name, options) in kinds.items():
        embedding = build_objective(ObjectiveSpec(name, options, "conv", {"widths": [4, 4, 4]})).eval()
        embedding.finish(EpisodeStore(root / "prior"), np.random.default_rng(0))
        weights = embedding.state_dict()
        checkpoint.save(root / folder, "objective", training_state.spec_of(embedding), weights, {"step": 0})
    return root


@pytest.fixture(scope="session")
def trained(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of SAC, 300 steps; do not change it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    train_agent(tiny(recorded, run, eval_every=150, eval_episodes=2))
    return run
