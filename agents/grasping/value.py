"""What a grasp is worth for a goal: the one step of QT-Opt (Kalashnikov et al. 2018, arXiv 1806.10293) that a recorded
grasp is, learned from scenes, aims and outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.grasping.config import Labelling
from agents.grasping.grasps import grasps_in
from agents.grasping.labels import Grasps, label
from envs.grasps import bin_to_picture
from envs.tray import CENTER_M
from sslctrl import checkpoint
from sslctrl.clips import BEFORE, OUTCOME, Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import CheckpointError, InputError, check_least
from sslctrl.heads import channels_of
from sslctrl.objective import Loss, Objective, channels_first, to_float
from sslctrl.options import check_options
from sslctrl.registry import Spec
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.backbones import BACKBONES
from vision.build import build_saved, load_weights

GRID, ANGLES = 32, 12
"""Places along each side of the picture, and angles, among which the best grasp is looked for."""
SEES_33_PX = {"widths": (32, 48, 64, 64, 64), "strides": (2, 2, 1, 1, 1)}
_NAME = "grasp_value"


class GraspValue(Objective):
    """Logits of the reward of grasps (place, angle) in scenes, for goals (D,): embeddings of outcomes by `goals`.

    It learns from `batch` recorded grasps, paired with goals and rewarded as `labels` says (`agents.grasping.labels`).
    """

    def __init__(self, backbone: nn.Module, goals: Embedding, labels: Labelling = "pl_aux_es", batch: int = 64) -> None:
        super().__init__()
        check_least(1, batch=batch)
        self.backbone, self.goals = backbone, goals.eval().requires_grad_(False)
        self.labels: Labelling = labels
        self.batch = batch
        width = channels_of(backbone)
        self.goal = nn.Linear(goals.dim, width)
        self.judge = nn.Sequential(
            nn.Linear(3 * width + 2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 1)
        )

    def prepare(self, store: EpisodeStore) -> None:
        """Note which episodes are grasps, and of what: the oracle's labels. Raises DataError where none is one."""
        found = {row: str(episode.meta["grasped"]) for row, episode in grasps_in(store)}
        self._rows = np.array([*found])
        self._names = np.unique([*found.values()], return_inverse=True)[1]

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick different grasps, `batch` or all: their scenes before, and what they brought."""
        chosen = rng.choice(len(self._rows), min(self.batch, len(self._rows)), replace=False)
        steps = np.tile([BEFORE, OUTCOME], (len(chosen), 1, 1))
        return Pick(self._rows[chosen], np.zeros((len(chosen), 1), int), steps, label=self._names[chosen])

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the cross-entropy of what grasps are worth; all are mirrored, each or not. Raises InputError for clips
        that say neither aim, success nor object.
        """
        if clips.action is None or clips.success is None or clips.label is None:
            raise InputError("clips have no aim, success or label; allowed are those of `pick`, gathered by a store")
        scene, outcome = clips.frames[:, 0].unbind(1)
        aim = clips.action[:, 0, 0].cpu().numpy()
        place, angle = torch.from_numpy(bin_to_picture(aim[:, :2] + CENTER_M)), torch.from_numpy(aim[:, 2])
        scene, place, angle = mirrored(scene, place.to(scene.device, torch.float32), angle.to(scene.device), rng)
        grasps = Grasps(self.goals.embed(outcome), clips.success, clips.label)
        found = label(grasps, self.labels, rng)
        maps = self.backbone(to_float(scene, self.device))[found.grasp]
        logits = self(maps, grasps.outcome[found.goal], place[found.grasp, None], angle[found.grasp, None])[:, 0]
        return Loss(functional.binary_cross_entropy_with_logits(logits, found.reward), {})

    def forward(self, maps: Tensor, goal: Tensor, place: Tensor, angle_rad: Tensor) -> Tensor:
        """Return logits (N, K) of K grasps in each scene, whose maps are (N, C, h, w): goals (N, D), places (N, K, 2)
        in the picture, x to the right and y down, from -1 to 1, angles (N, K).
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
        maps = self.backbone(to_float(channels_first(scene)[None], self.device))
        given = (one.to(self.device)[None] for one in (goal, place, angle))
        index = int(self(maps, *given)[0].argmax())
        return place[index].numpy(), float(angle[index])


def build_value(
    goals: Embedding,
    labels: Labelling = "pl_aux_es",
    batch: int = 64,
    backbone: str = "conv",
    backbone_options: Mapping[str, Any] | None = None,
    seed: int = 0,
    allow: Collection[str] | None = None,
) -> GraspValue:
    """Build a value whose goals an embedding encodes; of conv, without options, its five layers see 33 px: about what
    the gripper spans. Raises InputError for unknown names and options.
    """
    options = backbone_options or (SEES_33_PX if backbone == "conv" else {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = BACKBONES.build(backbone, options, allow)
        own = check_options(_NAME, GraspValue, {"labels": labels, "batch": batch}, {"backbone": net, "goals": goals})
        value = GraspValue(net, goals, **own.passed)
    known = {"goals": spec_of(goals), "goals_sha256": checkpoint.digest_of(goals.state_dict())}
    value.spec = Spec(_NAME, own.recorded | known)
    return value


def load_value(path: str | Path, allow: Collection[str] = ()) -> GraspValue:
    """Open a checkpoint of a value, or the newest of a run's folder, in eval mode: the embedding of its goals is in it.

    Raises as `vision.build.load_objective`.
    """
    path = checkpoint.newest(Path(path))
    saved = checkpoint.read(path, KIND)
    if saved.spec["name"] != _NAME:
        raise CheckpointError(f"{path} is a {saved.spec['name']!r}; allowed is what scripts/train_grasping.py trains")
    options, net = saved.spec["options"], (saved.spec["backbone"], saved.spec["backbone_options"])
    goals = build_saved(options["goals"], allow)
    assert isinstance(goals, Embedding)
    value = build_value(goals, options["labels"], options["batch"], *net, allow=allow)
    load_weights(value, saved.tensors, str(path), "the value that its spec names")
    value.spec = Spec(_NAME, options)
    return value.eval()


def mirrored(scene: Tensor, place: Tensor, angle_rad: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Mirror grasps and their scenes, each or not, left to right and top to bottom."""
    flips = torch.rand(len(scene), 2, generator=rng, device=rng.device) < 0.5
    for axis in range(2):
        scene = torch.where(flips[:, axis, None, None, None], scene.flip(-1 - axis), scene)
    signs = 1 - 2 * flips.float()
    return scene, place * signs, angle_rad * signs.prod(dim=1)
