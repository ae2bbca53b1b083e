"""The robot's own body as a layer of its own in front of the scene, for decoders of pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sslctrl.body import coordinates
from sslctrl.clips import Clips
from sslctrl.decoder import Decoder

_TRANSPARENT = 3.0  # at first, all over: else the body's layer takes a share of every colour, and the scene is tinted


class BodyLayer(nn.Module):
    """Draws the body where the robot knows it to be, from columns of the proprioception, over a decoded scene.

    picture = alpha body + (1 - alpha) scene, alpha and body decoded from the columns alone: layers as in Wang and
    Adelson 1994, with the one layer given. The scene's embedding then need not hold the body, and the KL of a VAE sees
    to it that it does not; nor may it depend on where the body is, as it could, were a single decoder told both.
    Without columns the scene is the picture.
    """

    def __init__(self, columns: Sequence[int], size_px: int, width: int) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.standardize = nn.BatchNorm1d(len(columns), affine=False)
        self.decoder = Decoder(len(columns), size_px, width, channels=4) if columns else None

    def over(self, scene: Tensor, clips: Clips) -> Tensor:
        """Return pictures (N, 3, H, W) of all frames of the clips, N = B V T, whose scenes are given likewise."""
        if self.decoder is None:
            return scene
        known = coordinates(clips, self.columns).expand(-1, clips.frames.shape[1], -1, -1).flatten(0, 2)
        layer = self.decoder(self.standardize(known.to(scene.device)))
        body, alpha = layer[:, :3], (layer[:, 3:] - _TRANSPARENT).sigmoid()
        return scene + alpha * (body - scene)
