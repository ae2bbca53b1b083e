"""What a grasp is worth for a goal: the one step of QT-Opt (Kalashnikov et al. 2018, arXiv 1806.10293) that a recorded
grasp is, learned from scenes, aims and outcomes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.grasping.labels import Grasps, Labelling, label
from sslctrl.objective import channels_first, to_float
from sslctrl.rng import numpy_rng, torch_rng
from vision.backbones.conv import Conv

GRID, ANGLES = 32, 12
"""Places along each side of the picture, and angles, among which the best grasp is looked for."""


class Recorded(NamedTuple):
    """N grasps to learn from."""

    scene: Tensor
    """uint8 (N, 3, H, W): the bin from above."""
    place: Tensor
    """float (N, 2): where in the picture the grasp aimed, x to the right and y down, from -1 to 1."""
    angle_rad: Tensor
    """float (N,): and at which angle."""
    grasps: Grasps
    """What came of it."""


class GraspValue(nn.Module):
    """Logits of the reward of grasps (place, angle) in scenes, for goals (D,)."""

    def __init__(self, goal_dim: int, width: int = 64) -> None:
        super().__init__()
        self.scene = Conv((32, 48, width, width, width), (2, 2, 1, 1, 1))
        self.goal = nn.Linear(goal_dim, width)
        self.judge = nn.Sequential(
            nn.Linear(3 * width + 2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def forward(self, maps: Tensor, goal: Tensor, place: Tensor, angle_rad: Tensor) -> Tensor:
        """Return logits (N, K) of K grasps in each scene, whose maps are (N, C, h, w): goals (N, D), places (N, K, 2),
        angles (N, K).
        """
        there = functional.grid_sample(maps, place[:, None], align_corners=False)[:, :, 0].mT  # (N, K, C)
        wanted = self.goal(functional.normalize(goal, dim=1) * math.sqrt(goal.shape[1]))[:, None].expand_as(there)
        turn = torch.stack([(2 * angle_rad).sin(), (2 * angle_rad).cos()], dim=-1)  # half a turn grips the same
        return self.judge(torch.cat([there, wanted, there * wanted, turn], dim=-1))[..., 0]

    @torch.no_grad()
    def best(self, scene: np.ndarray, goal: Tensor) -> tuple[np.ndarray, float]:
        """Return where in a picture, uint8 (H, W, 3), to grasp for a goal (D,): the place (2,) and the angle."""
        centers = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
        angles = torch.arange(ANGLES) / ANGLES * math.pi - math.pi / 2
        x, y, angle = (column.flatten() for column in torch.meshgrid(centers, centers, angles, indexing="xy"))
        place = torch.stack([x, y], dim=1)
        maps = self.scene(to_float(channels_first(scene)[None], "cpu"))
        index = int(self(maps, goal[None], place[None], angle[None])[0].argmax())
        return place[index].numpy(), float(angle[index])


def learn(
    recorded: Recorded, labelling: Labelling, steps: int, seed: int, batch: int = 64, lr: float = 2e-3
) -> GraspValue:
    """Return a value learned from recorded grasps, labelled in one of the ways, in eval mode."""
    torch.manual_seed(seed)
    value = GraspValue(recorded.grasps.outcome.shape[1])
    optimizer = torch.optim.AdamW(value.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        rows = torch.from_numpy(numpy_rng(seed, step, 0).choice(len(recorded.scene), batch, replace=False))
        rng = torch_rng(seed, step)
        grasps = Grasps(*(column[rows] for column in recorded.grasps))
        found = label(grasps, labelling, rng)
        scene, place, angle = mirrored(recorded.scene[rows], recorded.place[rows], recorded.angle_rad[rows], rng)
        maps = value.scene(to_float(scene, "cpu"))
        place, angle = place[found.grasp, None], angle[found.grasp, None]
        logits = value(maps[found.grasp], grasps.outcome[found.goal], place, angle)[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits, found.reward)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return value.eval()


def mirrored(scene: Tensor, place: Tensor, angle_rad: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror grasps and their scenes, each or not, left to right and top to bottom."""
    flips = torch.rand(len(scene), 2, generator=rng) < 0.5
    for axis in range(2):
        scene = torch.where(flips[:, axis, None, None, None], scene.flip(-1 - axis), scene)
    signs = 1 - 2 * flips.float()
    return scene, place * signs, angle_rad * signs.prod(dim=1)
