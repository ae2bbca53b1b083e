"""Films as people have them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def film(path: Path, frames: int = 6) -> Path:
    """Write an MP4, 64 wide and 48 high, with a red corner that grows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for step in range(frames):
            frame = np.full((48, 64, 3), 40, np.uint8)
            frame[:12, 8 : 20 + 4 * step] = (230, 20, 20)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return path
