"""Grasp2Vec (Jang, Devin et al. 2018, arXiv 1811.06964, section 4): what was grasped is what the scene then lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from kornia.enhance import adjust_hue
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.augment import Strength, augment
from sslctrl.clips import AFTER, BEFORE, OUTCOME, Clips, Layout, Pick
from sslctrl.embeddings.base import Embedding
from sslctrl.errors import InputError, check_least
from sslctrl.heads import channels_of, fresh_copy
from sslctrl.losses.npairs import npairs
from sslctrl.objective import Loss
from sslctrl.sampling import camera_indices

MILD = Strength(brightness=0.1, contrast=0.1, saturation=0.1)
"""Colour is most of what tells objects apart, and is left recognisable."""


class Grasp2Vec(Embedding):
    """phi_s(before) - phi_s(after) attracts phi_o(outcome), and other grasps' outcomes repel; and the other way round.

    Both nets, without shared weights, are a backbone, a 1x1 convolution to `dim` channels, ReLU and the mean over the
    map, and nothing else: so differences of scenes are sums of objects, and the map's product with an outcome's vector
    is a heat map of where that object is. `l2` is the weight of the squared norms. Failed grasps are left out.

    An episode is one grasp: the scene before, the scene after, and the outcome, what the gripper holds seen closely.
    `embed` is phi_o, of outcomes. An object that occurs twice in a batch is a negative of itself: of few objects, no
    net reaches a loss of zero, and none needs to.

    A batch is `palettes` groups of grasps, each of which repel only one another. In about half of them all hues are
    turned, by another angle in each: then colours that were never recorded are told apart, too, and since a group's are
    turned alike, shapes still are. All groups go through the nets together, as a batch norm that met one palette alone
    would take its turn out. Of one palette no hue is turned.
    """

    def __init__(
        self,
        backbone: nn.Module,
        dim: int = 128,
        l2: float = 0.0005,
        batch: int = 64,
        palettes: int = 2,
        camera: str = "",
        augment: bool = True,
        size_px: int = 64,
    ) -> None:
        super().__init__(backbone, dim, size_px)
        check_least(2, batch=batch)
        check_least(1, palettes=palettes)
        check_least(0, l2=l2)
        self.outcome_head = nn.Conv2d(channels_of(backbone), dim, 1)
        self.scene_backbone = fresh_copy(backbone)
        self.scene_head = nn.Conv2d(channels_of(backbone), dim, 1)
        self.l2, self.batch, self.palettes = l2, batch, palettes
        self.camera, self.augment = camera, augment

    @property
    def backbones(self) -> tuple[nn.Module, ...]:
        """Of outcomes and of scenes."""
        return self.backbone, self.scene_backbone

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick different grasps, the episodes of three frames, of `camera`, or all of any one. Raises InputError where
        they are fewer than two.
        """
        cameras = camera_indices(layout, self.camera)
        grasps = np.flatnonzero(layout.lengths == 3)
        if len(grasps) < 2:
            raise InputError(
                f"{len(grasps)} of {len(layout.lengths)} episodes are grasps: three frames, before, after, outcome; "
                "allowed are 2 grasps or more; record them with collect_grasps"
            )
        episode = rng.choice(grasps, size=min(self.batch, len(grasps)), replace=False)
        step = np.broadcast_to(np.arange(3), (len(episode), 1, 3))
        return Pick(episode, np.full((len(episode), 1), rng.choice(cameras)), step)

    def loss(self, clips: Clips, rng: torch.Generator) -> Loss:
        """Return the n-pairs loss both ways of the successful grasps among clips (B, 1, 3, 3, H, W)."""
        images = self.images(clips)
        if clips.success is None or images.shape[1:3] != (1, 3):
            raise InputError(
                f"the clips are {tuple(clips.frames.shape)}, success known: {clips.success is not None}; allowed are "
                "grasps (B, 1, 3, 3, H, W) with success; pick them as pick() does"
            )
        images = images[:, 0][clips.success.to(images.device)]
        groups = min(self.palettes, len(images) // 2)
        if not groups:
            nothing = 0 * torch.stack([weight.sum() for weight in self.parameters()]).sum()
            return Loss(nothing, {"nearest_is_own": torch.zeros(())})
        if self.augment:
            images = self._augmented(images, rng)
        images = images[: len(images) // groups * groups]
        if groups > 1:
            images = _with_turned_hues(images.unflatten(0, (groups, -1)), rng).flatten(0, 1)
        scenes = self.scene(images[:, :OUTCOME].flatten(0, 1)).unflatten(0, (groups, -1, 2))  # together: one batch norm
        missing = scenes[:, :, BEFORE] - scenes[:, :, AFTER]
        outcome = self.encode(images[:, OUTCOME]).unflatten(0, (groups, -1))
        value = npairs(missing, outcome, self.l2) + npairs(outcome, missing, self.l2)
        own = (missing @ outcome.mT).argmax(-1) == torch.arange(outcome.shape[1], device=outcome.device)
        return Loss(value, {"nearest_is_own": own.float().mean(), "norm": outcome.detach().norm(dim=-1).mean()})

    def encode(self, images: Tensor) -> Tensor:
        """Return phi_o (N, D) of outcomes (N, 3, H, W)."""
        return self._outcome_map(images).mean((2, 3))

    def scene(self, images: Tensor) -> Tensor:
        """Return phi_s (N, D) of scenes (N, 3, H, W)."""
        return self._scene_map(images).mean((2, 3))

    def embed_scene(self, frames: Tensor) -> Tensor:
        """Return phi_s, float32 (N, D), of uint8 scenes (N, 3, H, W), in eval mode; as `embed` for outcomes."""
        return self.in_eval(self.scene, frames)

    @torch.no_grad()
    def heat_maps(self, frames: Tensor, outcomes: Tensor) -> Tensor:
        """Return where in scenes, uint8 (N, 3, H, W), the objects of embeddings (N, D) are: float32 (N, H, W).

        phi_o . phi_s before its mean over the map, enlarged bilinearly: section 4.2.
        """
        maps = torch.einsum("nchw,nc->nhw", self.in_eval(self._scene_map, frames), outcomes.to(self.device))
        size = (self.size_px, self.size_px)
        return functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]

    def _scene_map(self, images: Tensor) -> Tensor:
        return self.scene_head(self.scene_backbone(images)).relu().float()

    def _outcome_map(self, images: Tensor) -> Tensor:
        return self.outcome_head(self.backbone(images)).relu().float()

    def _augmented(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Crop and colour both scenes of a grasp (B, 3, ...) alike, its outcome on its own; then flip every image or
        not, and the scenes, seen from above, upside down and about their diagonal, too.
        """
        scenes, outcome = images[:, :OUTCOME], images[:, OUTCOME:]
        scenes = augment(scenes, rng, MILD)
        for flipped in (lambda image: image.flip(-2), lambda image: image.mT):
            scenes = _by_chance(flipped, scenes, rng)
        together = torch.cat([scenes, augment(outcome, rng, replace(MILD, shift=0.1))], dim=1)
        return _by_chance(lambda image: image.flip(-1), together, rng)


def _with_turned_hues(images: Tensor, rng: torch.Generator) -> Tensor:
    """Turn all hues of a group (G, N, 3, 3, H, W) by one angle, with a chance of a half for each group."""
    chosen = torch.rand(len(images), generator=rng, device=rng.device) < 0.5
    angle_rad = math.pi * (2 * torch.rand(len(images), generator=rng, device=rng.device) - 1)
    turned = images[chosen]
    angles_rad = angle_rad[chosen].repeat_interleave(turned.shape[1] * turned.shape[2])
    images[chosen] = adjust_hue(turned.flatten(0, 2), angles_rad).view_as(turned)
    return images


def _by_chance(change: Callable[[Tensor], Tensor], images: Tensor, rng: torch.Generator) -> Tensor:
    """Change half of the images (B, N, 3, H, W), each or not by chance."""
    chosen = torch.rand(images.shape[:2], generator=rng, device=rng.device) < 0.5
    return torch.where(chosen[..., None, None, None], change(images), images)
