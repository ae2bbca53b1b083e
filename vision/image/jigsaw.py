"""Jigsaw puzzles (Noroozi, Favaro 2016, arXiv 1603.09246)."""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

import numpy as np
import torch
from kornia.color import rgb_to_grayscale
from torch import Tensor, nn

from sslctrl.errors import InputError
from sslctrl.objective import Loss, classification
from vision.image_task import ImageTask
from vision.patches import ROWS, Grid, LateFusion, mosaic

_TILES = ROWS * ROWS
_MOST_PERMUTATIONS = 1000  # the paper's largest set
_FLAT = 1 / 255  # a deviation of one grey level: less than that is rounding, which must not be blown up


class Puzzles(NamedTuple):
    """Tiles in disorder, and in which."""

    tiles: Tensor
    """float (N, 9, 3, S, S)."""
    orders: Tensor
    """int (N,): index into the task's `permutations`."""


class Jigsaw(ImageTask):
    """By which permutation of a fixed set were the nine tiles of an image shuffled?

    The context-free network (section 3.2): a shared trunk a tile, then late fusion. Against short cuts (section 3.4):
    `gap` and `jitter` for edges that go on from tile to tile; `normalize`, each channel of each tile by itself, for
    tiles that are told by their brightness; `grey`, the share of images without colour, for chromatic aberration.
    `patch` is the side of a tile as a fraction of the image's (64 of 256 pixels in the paper), `gap` and `jitter` are
    fractions of the tile's. Raises InputError.
    """

    shows = "Above: shuffled tiles of images. Below: put back as the net says that they were shuffled."

    permutations: Tensor
    """int (permutations, 9): the tile, counted row by row, that lies at each place."""

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 64,
        permutations: int = 24,
        patch: float = 1 / 4,
        gap: float = 11 / 64,
        jitter: float = 5.5 / 64,
        normalize: bool = True,
        grey: float = 0.3,
        hidden: int = 128,
    ) -> None:
        super().__init__(backbone, batch)
        if not 2 <= permutations <= _MOST_PERMUTATIONS:
            raise InputError(f"permutations is {permutations}; allowed are 2 to {_MOST_PERMUTATIONS}; change it")
        if not 0 <= grey <= 1:
            raise InputError(f"grey is {grey}; allowed is a share from 0 to 1; change it")
        self.grid = Grid(patch, gap, jitter)
        self.normalize = normalize
        self.grey = grey
        self.head = LateFusion(backbone, patches=_TILES, hidden=hidden, classes=permutations)
        self.register_buffer("permutations", permutation_set(permutations).clone())

    def ask(self, images: Tensor, rng: torch.Generator) -> Puzzles:
        """Cut each image into tiles and shuffle them by a random permutation."""
        return self._shuffled(self._tiles(images, rng), rng)

    def judge(self, question: Puzzles) -> Loss:
        """Return the cross-entropy over the set. Chance: the logarithm of its size."""
        return classification(self._logits(question), question.orders)

    @torch.no_grad()
    def show(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return each image's tiles in disorder, and below it put back as the net says that they were shuffled."""
        tiles = self._tiles(images, rng)
        question = self._shuffled(tiles, rng)
        mixed = _laid(tiles, self.permutations[question.orders])
        said = self.permutations[self._logits(question).argmax(1)]
        return torch.stack([mosaic(mixed), mosaic(_laid(mixed, said.argsort(1)))])

    def _tiles(self, images: Tensor, rng: torch.Generator) -> Tensor:
        grey = torch.rand(len(images), generator=rng, device=rng.device) < self.grey
        return self.grid.patches(torch.where(grey[:, None, None, None], rgb_to_grayscale(images), images), rng)

    def _shuffled(self, tiles: Tensor, rng: torch.Generator) -> Puzzles:
        tiles = normalized(tiles) if self.normalize else tiles
        orders = torch.randint(len(self.permutations), (len(tiles),), generator=rng, device=rng.device)
        return Puzzles(_laid(tiles, self.permutations[orders]), orders)

    def _logits(self, question: Puzzles) -> Tensor:
        features = self.head.each(self.backbone(question.tiles.flatten(0, 1)))
        return self.head(features.unflatten(0, (-1, _TILES)))


def normalized(tiles: Tensor) -> Tensor:
    """Bring each channel of each tile (..., S, S) to mean 1/2 and deviation 1/4, the range that backbones read."""
    deviation, mean = torch.std_mean(tiles, (-2, -1), keepdim=True)
    return 0.5 + 0.25 * (tiles - mean) / (deviation + _FLAT)


@functools.cache
def permutation_set(count: int) -> Tensor:
    """Return permutations of nine tiles, int64 (count, 9), that differ much from each other (algorithm 1).

    Greedy: the identity, then always the first permutation in order whose least Hamming distance to those before is
    the largest. That distance is 7 or more for up to 93, and 6 for 100.
    """
    numbers = itertools.chain.from_iterable(itertools.permutations(range(_TILES)))
    every = np.fromiter(numbers, np.uint8, math.factorial(_TILES) * _TILES).reshape(-1, _TILES).T.copy()
    nearest = np.full(every.shape[1], _TILES, np.uint8)
    chosen = [0]
    while len(chosen) < count:
        np.minimum(nearest, (every != every[:, chosen[-1], None]).sum(0, dtype=np.uint8), out=nearest)
        chosen.append(int(nearest.argmax()))
    return torch.from_numpy(every[:, chosen].T.astype(np.int64))


def _laid(tiles: Tensor, order: Tensor) -> Tensor:
    """Put tile `order[n, place]` of tiles (N, 9, 3, S, S) at each place."""
    return tiles.take_along_dim(order[:, :, None, None, None], 1)
