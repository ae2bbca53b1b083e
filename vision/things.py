"""Things that move, as patches of mined tracks and unit vectors of these: what the tasks on tracks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslctrl.clips import Layout
from sslctrl.errors import InputError
from sslctrl.heads import grid_head
from sslctrl.store import EpisodeStore
from vision.patches import cut
from vision.tracks import LEAST, Tracks, mined, side_px_of

_NEAREST = 3


class Things(nn.Module):
    """Tracks of patches with `side` of the picture's shorter one, followed for up to `frames` frames, and an embedding
    of patches in `dim` dimensions on a backbone. Raises InputError.
    """

    def __init__(self, backbone: nn.Module, frames: int, side: float, dim: int) -> None:
        super().__init__()
        if frames < LEAST or not 0 < side < 1 or dim < 1:
            raise InputError(
                f"frames is {frames}, side {side}, dim {dim}; allowed are {LEAST} or more, between 0 and 1, "
                "and 1 or more; change them"
            )
        self.frames, self.side = frames, side
        self.head = grid_head(backbone, dim)
        self._tracks: Tracks | None = None
        self._prepared_for: str | None = None

    def prepare(self, store: EpisodeStore) -> None:
        """Mine a store's tracks."""
        self._tracks, self._prepared_for = mined(store, self.frames, self.side), store.layout.digest

    def tracks(self, layout: Layout) -> Tracks:
        """Return the tracks. Raises InputError where `prepare` has not looked at this store."""
        found = self._tracks
        if found is None or self._prepared_for != layout.digest:
            raise InputError("the store's tracks are not known; call the task's prepare(store) before pick")
        return found

    def patches(self, video: Tensor, corner: Tensor) -> Tensor:
        """Cut one patch out of each frame of clips (B, T, 3, H, W), the corners are int (B, T, 2), and enlarge it to
        half the picture's shorter side: (B, T, 3, S, S). Raises InputError for corners of another shape, or outside.
        """
        height, width = video.shape[3:]
        size_px = side_px_of((height, width), self.side)
        most = torch.tensor([height - size_px, width - size_px], device=corner.device)
        if corner.shape != (*video.shape[:2], 2) or (corner < 0).any() or (corner > most).any():
            raise InputError(
                f"the clips are {tuple(video.shape)}, their labels {tuple(corner.shape)}; allowed is the corner of a "
                f"patch of {size_px} px in each frame, inside it; pick them with this task's own pick"
            )
        top, left = corner.flatten(0, 1).split(1, dim=1)
        patches = cut(video.flatten(0, 1), top, left, size_px)[:, 0]
        size = (min(height, width) // 2,) * 2
        return functional.interpolate(patches, size=size, mode="bilinear", align_corners=False).unflatten(
            0, video.shape[:2]
        )

    def embedded(self, backbone: nn.Module, patches: Tensor) -> Tensor:
        """Return unit vectors (B, T, dim) of patches (B, T, 3, S, S)."""
        flat = self.head(backbone(patches.flatten(0, 1))).float()
        return functional.normalize(flat, dim=1).unflatten(0, patches.shape[:2])

    @torch.no_grad()
    def show(self, backbone: nn.Module, video: Tensor, corner: Tensor) -> Tensor:
        """Return both frames of clips (B, 2, 3, H, W) with their patches framed, and the second patches of all that are
        nearest to each first one: (5, B, 3, H, W), or fewer rows for fewer clips.
        """
        patches = self.patches(video, corner)
        first, second = self.embedded(backbone, patches).unbind(1)
        order = (first @ second.T).topk(min(_NEAREST, len(second))).indices.T
        large = functional.interpolate(patches[:, 1], size=video.shape[3:], mode="nearest")
        return torch.cat([self._framed(video, corner).transpose(0, 1), large[order]])

    def _framed(self, video: Tensor, corner: Tensor) -> Tensor:
        height, width = video.shape[3:]
        size_px = side_px_of((height, width), self.side)
        row, column = (
            torch.arange(size, device=video.device) - corner[..., axis, None]
            for axis, size in enumerate((height, width))
        )
        inside = [((at >= 0) & (at < size_px), (at == 0) | (at == size_px - 1)) for at in (row, column)]
        (rows, row_edge), (columns, column_edge) = inside
        edge = (rows[..., None] & column_edge[..., None, :]) | (row_edge[..., None] & columns[..., None, :])
        red = torch.tensor([1.0, 0, 0], device=video.device)[:, None, None]
        return torch.where(edge[:, :, None], red, video)
