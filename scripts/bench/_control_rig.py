"""RIG on pushing and reaching: what its VAE knows of the puck, and how far from goal pictures its policies end; beside
the oracles of puck, and of hand and puck, pixels, a plain VAE, an autoencoder, an untrained net, labels, random
actions, doing nothing, and other shares of relabelled goals.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.bench import _control_goals as goals
from scripts.bench._control_config import ControlConfig
from scripts.bench._control_goals import BASELINES, BESIDE, CAMERA, IMAGINED, RIG, SHOWN, Learner, World
from scripts.bench._figures import Origin
from scripts.bench._intervals import Figure
from scripts.bench._jobs import Measured, Variant

SHARES = {
    "none": {"relabel_prior": 0.0, "relabel_future": 0.0},
    "future": {"relabel_prior": 0.0, "relabel_future": 0.8},
    "prior": {"relabel_prior": 0.8, "relabel_future": 0.0},
}
"""Of relabelled goals, other than RIG's mix."""
_STATE: dict[str, Any] = {"reward_from": "state", "observe": "state"}
_CONV: dict[str, Any] = {"widths": (32, 64, 64, 64), "strides": (2, 2, 1, 1)}
_VAE: dict[str, Any] = {"camera": CAMERA, "dim": 2, "beta": 2.0, "body": (0, 1), "smooth": 100.0}
PUSH = World(
    env_id="sslctrl/Push-v0",
    embeddings={
        "vae": Variant("vae", _VAE, 6000, _CONV, lr=3e-3),
        "plain": Variant("vae", {"camera": CAMERA, "dim": 6, "beta": 0.3}, 6000, _CONV, lr=3e-3),
        "autoencoder": Variant("vae", {**_VAE, "beta": 0.0}, 6000, _CONV, lr=3e-3),
        "untrained": Variant("vae", _VAE, 0, _CONV),
        "supervised": Variant("supervised", {"columns": (4, 5)}, 3000, _CONV),
    },
    learners={
        "rig": Learner("vae", RIG),
        "online": Learner("vae", RIG, rounds=4),
        "oracle": Learner(None, _STATE),
        "oracle_both": Learner(None, {**_STATE, **SHOWN, "gamma": 0.98, "lr": 5e-4}, steps_factor=3),
        **{name: Learner("vae", IMAGINED | shares) for name, shares in SHARES.items()},
        "pixels": Learner("vae", {**SHOWN, "reward_from": "pixels"}),
        **BESIDE,
    },
    steps=20_000,
    places={"puck": (4, 5), "hand": (0, 1), "both": (0, 1, 4, 5)},
)
"""The decoder of `vae` is told where the hand is: distances in its latents are the puck's, as the oracle's are.
`autoencoder` is the same without KL, `untrained` without training, `supervised` is told where pucks are: neither of
these two can imagine goals. `plain` holds hand and puck; no policy is trained on it. `online` trains its VAE on what
the policy saw, between four rounds. Rewarded for both, a hand at its goal is a local optimum: `oracle_both` takes more
steps, looks further ahead, and learns more slowly.
"""
_OF_REACH: dict[str, Any] = {"camera": CAMERA, "dim": 6, "beta": 5.0, "smooth": 1000.0}
REACH = World(
    env_id="sslctrl/Reach-v0",
    embeddings={
        "vae": Variant("vae", _OF_REACH, 3000, lr=3e-3),
        "autoencoder": Variant("vae", {**_OF_REACH, "beta": 0.0}, 3000, lr=3e-3),
        "untrained": Variant("vae", _OF_REACH, 0),
        "supervised": Variant("supervised", {"columns": (0, 1, 2)}, 3000),
    },
    learners={
        "rig": Learner("vae", RIG),
        "oracle": Learner(None, _STATE),
        **{name: Learner("vae", IMAGINED | shares) for name, shares in SHARES.items()},
        "pixels": Learner("vae", {**SHOWN, "reward_from": "pixels"}),
        **BESIDE,
    },
    steps=20_000,
    places={"hand": (0, 1, 2)},
)
"""Of three latents, as many as the hand has places, distances rank true ones better (.61 against .55), but the latents
fold, and policies stop at the folds: 3.5 cm from their goals instead of 2.
"""


def figures(config: ControlConfig) -> Iterator[tuple[dict[str, Figure], Origin]]:
    """Yield the figures over the seeds that are done, after each, and where they are from."""
    yield from goals.figures(PUSH, "rig", config, known, reached)
    yield from goals.figures(REACH, "rig-reach", config, known_of_reach, reached_of_reach)


def known(variants: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the embeddings on pushing."""
    values = {f"rig.{name}.{what}": value for name, found in variants.items() for what, value in found.items()}
    short = {"vae_r2": "puck_r2", "vae_r2_linear": "puck_r2_linear", "latent_spearman": "puck_spearman"}
    return {**values, **{f"rig.{name}": variants["vae"][what] for name, what in short.items()}}


def reached(policies: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the policies on pushing."""
    final = _final(policies)
    nothing = final["do_nothing"]
    return {
        **{f"rig.push_final_m.{name}": value for name, value in final.items()},
        "rig.push_over_do_nothing": final["rig"] / nothing,
        "rig.oracle_over_do_nothing": final["oracle_both"] / nothing,
        "rig.puck_oracle_over_do_nothing": final["oracle"] / nothing,
        "rig.push_over_oracle": final["rig"] / final["oracle_both"],
        "rig.push_over_puck_oracle": final["rig"] / final["oracle"],
        "rig.pixel_over_rig": final["pixels"] / final["rig"],
        **{f"rig.mix_beats_{name}": final[name] - final["rig"] for name in SHARES},
    }


def known_of_reach(variants: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the embeddings on reaching."""
    return {f"rig.reach.{name}.{what}": value for name, found in variants.items() for what, value in found.items()}


def reached_of_reach(policies: dict[str, Measured]) -> Measured:
    """Return one seed's figures of the policies on reaching."""
    final = _final(policies)
    return {**{f"rig.reach_final_m.{name}": value for name, value in final.items()}, "rig.reach_final_m": final["rig"]}


def _final(policies: dict[str, Measured]) -> Measured:
    """Return how far from the goal each policy ends, and the baselines of every exam."""
    final = {name: found["agent_fixed_m"] for name, found in policies.items()}
    return final | {name: policies["rig"][f"{name}_fixed_m"] for name in BASELINES}
