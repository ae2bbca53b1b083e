"""Arrow of time (Wei, Lim, Zisserman, Freeman 2018, CVPR): does a clip run forwards or backwards?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Clips, Layout, Pick
from sslctrl.errors import InputError
from sslctrl.heads import channels_of
from sslctrl.objective import Loss, classification
from sslctrl.store import EpisodeStore
from vision.motion import Motion, Windows
from vision.video_task import VideoTask

_EACH = 3  # frames of a group: the three channels that backbones take
_DARK = 16 / 255  # as black as compressed black gets


class Played(NamedTuple):
    """Clips as groups of grey frames, and which way they were played."""

    groups: Tensor
    """float (N, groups, 3, H, W): three successive frames are the channels of an image."""
    backwards: Tensor
    """int (N,): 1 or 0."""


class ArrowOfTime(VideoTask):
    """A clip is `groups` of three grey frames, `every` steps apart, and shown both ways.

    T-CAM (section 3): a trunk that all groups share, their maps side by side, three convolutions, a mean over the map
    and a linear layer. Of the paper's short cuts (section 4.1), black borders are stripped (`strip`): a film's own
    flicker shows there, and tells the way. A camera that moves is not stilled, but half of the clips are mirrored
    (`mirror`): that it mostly pans to one side tells nothing; tilts, zooms, cuts and a codec's key frames are not
    looked for. Raises InputError.
    """

    shows = "From above to below: frames of clips, the middle one of each group, as the net says that time runs."

    def __init__(
        self,
        backbone: nn.Module,
        batch: int = 32,
        groups: int = 3,
        every: int = 1,
        width: int = 64,
        strip: bool = True,
        mirror: bool = True,
    ) -> None:
        super().__init__(backbone, batch)
        if groups < 1 or every < 1 or width < 1:
            raise InputError(
                f"groups is {groups}, every {every}, width {width}; allowed are 1 or more of each; change them"
            )
        self.groups, self.every, self.strip, self.mirror = groups, every, strip, mirror
        layers: list[nn.Module] = []
        for before in (groups * channels_of(backbone), width, width):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))
        self.motion = Motion()

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return _EACH * self.groups

    def prepare(self, store: EpisodeStore) -> None:
        """See where the store moves."""
        self.motion.prepare(store)

    def pick(self, layout: Layout, rng: np.random.Generator) -> Pick:
        """Pick half a batch of clips that move, and the same played backwards; label: 1 for these."""
        steps = np.arange(self.frames) * self.every
        windows = self.motion.windows(layout, rng, self.batch // 2, steps[-1] + 1)
        twice = Windows(*(np.tile(part, 2) for part in windows))
        backwards = np.repeat([0, 1], self.batch // 2)
        return twice.pick(np.where(backwards[:, None], steps[::-1], steps), backwards)

    def ask(self, clips: Clips, rng: torch.Generator) -> Played:
        """Take the colour and, with `strip`, the black borders off; with `mirror`, draw which clips are mirrored."""
        video, backwards = self.video(clips, self.frames)
        grey = video.mean(2)
        if self.strip:
            grey = stripped(grey)
        if self.mirror:
            turned = torch.rand(len(grey), 1, 1, 1, generator=rng, device=rng.device) < 0.5
            grey = torch.where(turned, grey.flip(3), grey)
        return Played(grey.unflatten(1, (self.groups, _EACH)), backwards)

    def judge(self, question: Played) -> Loss:
        """Return the 2-way cross-entropy. Chance: log 2."""
        return classification(self.logits(question.groups), question.backwards)

    def logits(self, groups: Tensor) -> Tensor:
        """Return the logits (N, 2), forwards and backwards, of groups as `ask` makes them."""
        maps = self.backbone(groups.flatten(0, 1))
        return self.head(maps.unflatten(0, (-1, self.groups)).flatten(1, 2)).float()

    @torch.no_grad()
    def show(self, clips: Clips, rng: torch.Generator) -> Tensor:
        """Return the clips in colour, those turned round that the net says run backwards."""
        said = self.logits(self.ask(clips, rng).groups).argmax(1)
        middle = self.video(clips, self.frames)[0][:, _EACH // 2 :: _EACH]
        return torch.where(said.view(-1, 1, 1, 1, 1) == 1, middle.flip(1), middle).transpose(0, 1)


def stripped(grey: Tensor) -> Tensor:
    """Cut from each clip, (N, T, H, W), the rows and columns at its edges that are black in all of its frames, and
    stretch what is left to the same size. A clip that is black all over, or has none, is left as it is.
    """
    bright = grey.amax(1) > _DARK
    _, _, height, width = grey.shape
    (top, bottom), (left, right) = _extent(bright.any(2)), _extent(bright.any(1))
    whole = (top == 0) & (bottom == height) & (left == 0) & (right == width)
    y, x = (
        (start + (torch.arange(size, device=grey.device)[:, None] + 0.5) * ((end - start) / size))
        .clamp(start + 0.5, end - 0.5)  # between pixels' centres: nothing of the border is mixed in
        .T
        * (2 / size)
        - 1
        for start, end, size in ((top, bottom, height), (left, right, width))
    )
    place = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)], dim=3)
    cut = functional.grid_sample(grey, place, padding_mode="border", align_corners=False)
    return torch.where(whole[:, None, None, None], grey, cut)


def _extent(used: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and one past the last True of each row, bool (N, L); 0 and L where there is none."""
    length = used.shape[1]
    none = ~used.any(1)
    first, last = used.int().argmax(1), length - used.flip(1).int().argmax(1)
    return torch.where(none, 0, first), torch.where(none, length, last)
