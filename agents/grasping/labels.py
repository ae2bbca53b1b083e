"""Goals and rewards for grasps that were made without a goal (Grasp2Vec, arXiv 1811.06964, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from agents.grasping.config import Labelling


class Grasps(NamedTuple):
    """B recorded grasps."""

    outcome: Tensor
    """float (B, D): embeddings of what the gripper held."""
    success: Tensor
    """bool (B,)."""
    name: Tensor
    """int (B,): which object it was; the oracle's alone."""


class Labels(NamedTuple):
    """M pairs of a grasp and a goal."""

    grasp: Tensor
    """int (M,): which of the B."""
    goal: Tensor
    """int (M,): whose outcome is the goal."""
    reward: Tensor
    """float (M,) in [0, 1]."""


def label(grasps: Grasps, labelling: Labelling, rng: torch.Generator) -> Labels:
    """Pair grasps with goals, which are outcomes of successful grasps of the same batch.

    All know this much: a success was the right grasp for what it brought, a failure for nothing. `pl_es` and `oracle`
    add another goal for each grasp, `pl_aux_es` two: rewarded by the similarity of goal and outcome, by the truth.
    """
    parts = [_posthoc(grasps, rng)]
    others: dict[Labelling, tuple[int, Callable[[Grasps, Tensor], Tensor]]] = {
        "oracle": (1, _same_object),
        "pl": (0, _similarity),
        "pl_es": (1, _similarity),
        "pl_aux_es": (2, _similarity),
    }
    count, reward = others[labelling]
    for _ in range(count):
        goal = _any_goal(grasps, rng)
        parts.append(Labels(parts[0].grasp, goal, grasps.success.float() * reward(grasps, goal)))
    return Labels(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _posthoc(grasps: Grasps, rng: torch.Generator) -> Labels:
    own = torch.arange(len(grasps.success), device=rng.device)
    return Labels(own, torch.where(grasps.success, own, _any_goal(grasps, rng)), grasps.success.float())


def _any_goal(grasps: Grasps, rng: torch.Generator) -> Tensor:
    """Draw a goal for each; where no grasp brought anything, of all alike: none is rewarded."""
    brought = (grasps.success if grasps.success.any() else torch.ones_like(grasps.success)).nonzero()[:, 0]
    return brought[torch.randint(len(brought), grasps.success.shape, generator=rng, device=rng.device)]


def _same_object(grasps: Grasps, goal: Tensor) -> Tensor:
    return (grasps.name == grasps.name[goal]).float()


def _similarity(grasps: Grasps, goal: Tensor) -> Tensor:
    return torch.cosine_similarity(grasps.outcome, grasps.outcome[goal], dim=1).clamp_min(0)
