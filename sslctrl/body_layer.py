"""The robot's own body as a layer of its own in front of the scene, for decoders of pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sslctrl.body import coordinates
from sslctrl.clips import Clips
from sslctrl.decoder import Decoder

_GAIN = 4.0  # of the logits: the decoder's outputs are of the order of one
_TRANSPARENT = 5.0  # at first, all over: else the body's layer takes a share of every colour, and the scene is tinted


class BodyLayer(nn.Module):
    """Draws the body where the robot knows it to be, from columns of the proprioception, over a decoded scene.

    picture = alpha body + (1 - alpha) scene, alpha and body decoded from the columns alone: layers as in Wang and
    Adelson 1994, with the one layer given. The scene's embedding then need not hold the body, and the KL of a VAE sees
    to it that it does not; nor may it depend on where the body is, as it could, were a single decoder told both. The
    body's colours are colours, in [0, 1]: it cannot be drawn but opaque, and then hides what is behind it, as it does.
    Of unbounded ones a thin layer is enough, and what is half hidden is taken for something small. Without columns the
    scene is the picture. `width`: the scene's decoder's; the body's is half as wide.
    """

    def __init__(self, columns: Sequence[int], size_px: int, width: int) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self.standardize = nn.BatchNorm1d(len(columns), affine=False)
        self.decoder = Decoder(len(columns), size_px, max(1, width // 2), channels=4) if columns else None

    def over(self, scene: Tensor, clips: Clips) -> Tensor:
        """Return pictures (N, 3, H, W) of all frames of the clips, N = B V T, whose scenes are given likewise."""
        if self.decoder is None:
            return scene
        known = coordinates(clips, self.columns).expand(-1, clips.frames.shape[1], -1, -1).flatten(0, 2)
        body, alpha = self.layer(known.to(scene.device))
        return scene + alpha * (body - scene)

    def layer(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Return the body's colours (N, 3, H, W) and its opacity (N, 1, H, W), in [0, 1], where the body is at `known`
        (N, columns).
        """
        assert self.decoder is not None
        drawn = self.decoder(self.standardize(known))
        return (_GAIN * (drawn[:, :3] - 0.5)).sigmoid(), (_GAIN * drawn[:, 3:] - _TRANSPARENT).sigmoid()
