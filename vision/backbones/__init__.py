"""Networks from pixels to a feature map: float (N, 3, H, W) in [0, 1] -> (N, C, h, w), with `channels` = C.

At 64 px every one of them keeps a map of 8 x 8 or more, since heads read positions from it.
"""

from sslctrl.registry import Registry

BACKBONES = Registry("vision.backbones", "torch.nn:Module")
