"""Synthetic episodes that need no simulator."""

from __future__ import annotations

import numpy as np

from sslctrl.clips import Episode

CAMERAS = ["front", "left", "right"]


def moving_square(seed: int, steps: int = 12, size_px: int = 32, views: int = 3) -> Episode:
    """Record a square that walks over a textured ground; each view sees the same walk mirrored or turned."""
    rng = np.random.default_rng(seed)
    motion = rng.uniform(-0.12, 0.12, (steps, 2)).astype(np.float32)
    place = np.clip(0.5 + np.cumsum(np.concatenate([rng.uniform(-0.3, 0.3, (1, 2)), motion]), 0), 0.1, 0.9)
    place = place.astype(np.float32)
    ground = rng.integers(0, 60, (size_px, size_px, 3)).astype(np.uint8)
    color = rng.integers(150, 256, 3).astype(np.uint8)
    frames = np.empty((views, steps + 1, size_px, size_px, 3), np.uint8)
    for step, (x, y) in enumerate(place):
        image = ground.copy()
        top, left = (round(v * (size_px - 8)) for v in (float(y), float(x)))
        image[top : top + 8, left : left + 8] = color
        for view in range(views):
            frames[view, step] = np.rot90(image, view) if view != 1 else image[:, ::-1]
    meta = {
        "env_id": "test/MovingSquare-v0",
        "seed": seed,
        "cameras": CAMERAS[:views],
        "state_names": ["x", "y"],
        "dt_s": 0.1,
        "versions": {},
        "success": bool(place[-1, 0] > 0.5),
        "length": steps,
    }
    reward = -np.linalg.norm(place[1:] - 0.5, axis=1).astype(np.float32)
    return Episode(frames, place, place[:, :1].copy(), motion, reward, meta)
