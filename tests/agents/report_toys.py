"""A page as a browser sees it, and folders of runs with a word in every place where a word may be."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from sslctrl import checkpoint
from sslctrl.clips import Episode
from sslctrl.store import EpisodeStore
from sslctrl.training_state import KIND, spec_of
from vision.build import ObjectiveSpec, build_objective

CURVE = [{"step": step, "success": step / 100, "distance_m": 0.2, "return": -3.0} for step in (0, 50, 100)]


class Page(HTMLParser):
    """What a browser would make of a page: its elements and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.html = path.read_text()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def notes(self) -> list[str]:
        return re.findall(r'<p class="note">(.*?)</p>', self.html)


def result(success: float) -> dict:
    return {
        "success": {"value": success, "low": success / 2, "high": 1.0, "n": 40},
        "distance_m": {"value": 0.034, "low": 0.03, "high": 0.04, "n": 40},
    }


def walk(seed: int, size_px: int) -> Episode:
    """Record a bright square that walks over a dark ground for 8 steps, before three cameras."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(0.1, 0.8, (9, 2)).astype(np.float32)
    frames = np.full((3, 9, size_px, size_px, 3), 40, np.uint8)
    for step, (top, left) in enumerate((place * size_px).astype(int)):
        frames[:, step, top : top + 8, left : left + 8] = 200
    frames[1] = frames[1, :, :, ::-1]
    meta = {
        "cameras": ["front", "left", "right"],
        "state_names": ["x", "y"],
        "dt_s": 0.1,
        "success": seed > 0,
        "length": 8,
    }
    return Episode(frames, place, place[:, :1], place[1:], place[1:, 0], meta | {"goal": [0.5, 0.5]})


def fill_store(root: Path, count: int, size_px: int = 32, **about: object) -> None:
    store = EpisodeStore(root, create=True)
    for seed in range(count):
        episode = walk(seed, size_px)
        store.add(episode._replace(meta=episode.meta | about))


def fill_embedding(run: Path) -> None:
    options = {"dim": 4, "points": 4, "hidden": 8, "size_px": 32}
    tcn = build_objective(ObjectiveSpec("tcn", options, "conv", {"widths": [4, 4, 8]}))
    checkpoint.save(run / "checkpoints" / "step-00000010", KIND, spec_of(tcn), tcn.state_dict(), {})
    lines = [{"step": step, "loss": 1 / step, "norm": 1.0, "lr": 0.1} for step in range(1, 60)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def fill_demo(run: Path, word: str = "word", camera: str = "right") -> Path:
    """Make a demo's folder, with a word in every place where a word may be."""
    cameras = ["front", "left", camera]
    for name, count in (("train", 2), ("heldout", 3), ("demonstration", 1)):
        fill_store(run / "video" / name, count, behavior=word, cameras=cameras)
    fill_store(run / "evaluation" / "agent", 2, size_px=64, policy="agent", cameras=cameras)
    fill_embedding(run / "embedding")
    (run / "agent").mkdir()
    (run / "agent" / "curve.jsonl").write_text("".join(json.dumps(line) + "\n" for line in CURVE) + '{"step": 1')
    (run / "agent" / "config.yaml").write_text(
        json.dumps({"camera": camera, "demo_camera": "front", "algorithm": word})
    )
    results = {"agent": result(0.8), "random": result(0.1), word: result(0.3)}
    (run / "evaluation" / "evaluation.json").write_text(json.dumps(results))
    figures = {"reward_spearman": {"value": 0.91}, "minutes": {"value": 12.34}, word: {"value": 1}}
    (run / "demo.json").write_text(json.dumps({"commit": word, word: {word: [word]}, "figures": figures}))
    return run
