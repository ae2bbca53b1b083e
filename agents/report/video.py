"""Frames as something every browser plays: H.264 in MP4, small enough to lie inside a page."""

from __future__ import annotations

import base64
import io
from fractions import Fraction
from typing import cast

import av
import matplotlib.image
import numpy as np

from sslctrl.errors import InputError

LARGEST_BYTES = 200_000
_QUALITIES = (20, 26, 32, 38)  # libx264's crf: 20 hides the compression of flat shaded frames, 38 shows it


def mp4(frames: np.ndarray, fps: float) -> bytes:
    """Return frames, uint8 (T, H, W, 3), as MP4 (H.264, yuv420p, at most `LARGEST_BYTES` wherever quality can give).

    Odd sides gain a pixel, since that format halves the colours' resolution. Raises InputError on another shape.
    """
    frames = np.asarray(frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise InputError(
            f"frames are {frames.dtype} {frames.shape}; allowed are uint8 (T, H, W, 3), T >= 1; pass them as recorded"
        )
    if not 0 < fps < 1000:
        raise InputError(f"fps is {fps}; allowed is above 0 and below 1000; change it")
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    data = b""
    for quality in _QUALITIES:
        data = _encode(even, Fraction(fps).limit_denominator(1000), quality)
        if len(data) <= LARGEST_BYTES:
            break
    return data


def png(image: np.ndarray) -> bytes:
    """Return one image, uint8 (H, W, 3), as PNG."""
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, np.ascontiguousarray(image), format="png")
    return buffer.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """Return bytes of a MIME type as a link that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _encode(frames: np.ndarray, rate: Fraction, quality: int) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        # one thread: slices by several would make the bytes depend on the machine
        options = {"crf": str(quality), "preset": "slow", "tune": "animation", "threads": "1"}
        stream = cast(av.VideoStream, file.add_stream("libx264", rate=rate, options=options))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        file.mux(stream.encode())
    return buffer.getvalue()
