"""CC-RIG beside RIG on objects of other colours and shapes in every episode, and on ones that they never saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from scripts.bench import _control_goals as goals
from scripts.bench._control_config import ControlConfig
from scripts.bench._control_goals import BASELINES, BESIDE, CAMERA, RIG, SHOWN, Learner, World
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure
from scripts.bench._jobs import Measured, Variant
from sslctrl.embeddings.base import Embedding
from sslctrl.imagining import Imagining
from sslctrl.metrics.colors import hues, same_hue
from sslctrl.objective import channels_first
from sslctrl.store import EpisodeStore


def colour_match(embedding: Embedding, store: EpisodeStore, seed: int) -> Measured:
    """Return how often goals imagined in an episode show its object's colour, to within a bin of eight: of five a first
    frame that shows one. Nothing is told of embeddings that cannot imagine any.
    """
    if not isinstance(embedding, Imagining):
        return {}
    first = np.stack([store.read(id).frames[0, 0] for id in store.ids])
    wanted = hues(first)
    first, wanted = first[~np.isnan(wanted)].repeat(5, axis=0), wanted[~np.isnan(wanted)].repeat(5)
    z = embedding.goals.sample(len(first), torch.Generator().manual_seed(seed))
    imagined = embedding.decode(z, channels_first(first)).movedim(1, -1).numpy()
    return {"goal_colour_match": float(same_hue(hues(imagined), wanted).mean())}


_TOLD: dict[str, Any] = {"camera": CAMERA, "dim": 2, "beta": 2.0, "body": (0, 1), "smooth": 100.0, "slow_start": 2000}
WORLD = World(
    env_id="sslctrl/PushVaried-v0",
    embeddings={
        "cc_vae": Variant("cc_vae", {**_TOLD, "context_from": "any"}, 6000, lr=3e-3),
        "cc_vae_first": Variant("cc_vae", {**_TOLD, "context_from": "first"}, 6000, lr=3e-3),
        "vae": Variant("vae", _TOLD, 6000, lr=3e-3),
        "vae_6d": Variant("vae", {**_TOLD, "dim": 6, "beta": 5.0, "smooth": 1000.0}, 6000, lr=3e-3),
        "autoencoder": Variant("vae", {**_TOLD, "beta": 0.0}, 6000, lr=3e-3),
        "untrained": Variant("vae", _TOLD, 0),
        "supervised": Variant("supervised", {"columns": (4, 5)}, 3000),
    },
    learners={
        "ccrig": Learner("cc_vae", RIG),
        "rig": Learner("vae", RIG),
        "rig_6d": Learner("vae_6d", RIG),
        "oracle": Learner(None, {"reward_from": "state", "observe": "state"}),
        "pixels": Learner("cc_vae", {**SHOWN, "reward_from": "pixels"}),
        **BESIDE,
    },
    steps=20_000,
    places={"object": (4, 5), "hand": (0, 1)},
    variety="train",
    exams=("train", "heldout"),
    behavior="play",
    episodes=400,
    length=50,
    more=colour_match,
)
"""Equal video, environment steps, and VAE steps of what is trained without labels. `cc_vae_first` learns its context
from an episode's first frame, as the paper's; the other from any. Six latents, as Reach has, have room for colours and
shapes, too: CC-RIG is compared with the RIG that ends nearer. Of play, since random motion leaves most objects where
they were: then the context tells where they are, and z nothing.
"""


def figures(config: ControlConfig) -> Iterator[tuple[dict[str, Figure], Origin]]:
    """Yield the figures over the seeds that are done, after each, and where they are from."""
    yield from goals.figures(WORLD, "ccrig", config, known, reached)


def known(variants: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the embeddings, on held-out objects."""
    values = {f"ccrig.{name}.{what}": value for name, found in variants.items() for what, value in found.items()}
    return {
        **values,
        "ccrig.goal_colour_match": variants["cc_vae"]["goal_colour_match"],
        "vae.goal_colour_match": variants["vae"]["goal_colour_match"],
    }


def reached(policies: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the policies: final distances from goals on seen and on unseen objects."""
    seen, unseen = (
        {name: found[f"agent_{variety}_m"] for name, found in policies.items()}
        | {name: policies["rig"][f"{name}_{variety}_m"] for name in BASELINES}
        for variety in ("train", "heldout")
    )
    return {
        **{f"ccrig.seen_final_m.{name}": value for name, value in seen.items()},
        **{f"ccrig.unseen_final_m.{name}": value for name, value in unseen.items()},
        "ccrig.unseen_over_rig": unseen["ccrig"] / min(unseen["rig"], unseen["rig_6d"]),
        "ccrig.unseen_over_seen": unseen["ccrig"] / seen["ccrig"],
        "ccrig.unseen_over_do_nothing": unseen["ccrig"] / unseen["do_nothing"],
    }
