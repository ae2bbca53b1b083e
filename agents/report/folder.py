"""A run's folder as it is found: every part may be missing, half-written or damaged, and says so in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sslctrl import config as configs
from sslctrl.errors import DataError, InputError
from sslctrl.run import CONFIG
from sslctrl.store import EpisodeStore

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding

MAKER = {
    "video": "scripts/collect.py",
    "embedding": "scripts/train_embedding.py",
    "agent": "scripts/train_agent.py",
    "evaluation": "scripts/evaluate.py",
}
"""Which command makes a part; scripts/demo.py makes all of them."""


class Figure(NamedTuple):
    """A number with its interval and how many trials it is of, where they are known."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class RunFolder:
    """The demo's folder, or that of an embedding's or policy's run alone."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where there is no folder."""
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError(f"there is no run folder {path}; allowed is one that scripts/demo.py or a training wrote")

    def find(self, name: str) -> Path:
        """Return the path of `part/file`, in the run's folder itself where it is that part's own. Raises DataError."""
        part, _, rest = name.partition("/")
        for path in (self.path / name, self.path / rest):
            if rest and path.exists():
                return path
        maker = f"python {MAKER[part]}, or python scripts/demo.py --run {self.path}, makes it"
        raise DataError(f"{name} is not in this run; {maker}")

    def has(self, name: str) -> bool:
        """Whether `find` finds it."""
        try:
            return bool(self.find(name))
        except DataError:
            return False

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON object. Raises DataError where it is missing or damaged."""
        return _object(self.find(name))

    def lines(self, name: str) -> list[dict[str, float]]:
        """Read the numbers of JSON lines, sorted by step; a line cut by a crash is left out. Raises DataError."""
        path = self.find(name)
        records = [_numbers(line) for line in _text(path).splitlines()]
        records = sorted((record for record in records if "step" in record), key=lambda record: record["step"])
        if not records:
            raise DataError(f"{path} holds no line with a step yet; allowed is one or more; let the run go on")
        return records

    def store(self, name: str) -> EpisodeStore:
        """Open a store of video that holds an episode or more. Raises DataError."""
        store = EpisodeStore(self.find(name))
        _ = store.layout  # raises where it is empty
        return store

    def heldout(self) -> EpisodeStore:
        """Open the held-out video: the demo's, or the `eval_store` of an embedding's own run. Raises DataError."""
        if not self.has("video/heldout") and self.has(f"embedding/{CONFIG}"):
            path = configs.load_plain(self.find(f"embedding/{CONFIG}")).get("eval_store")
            if isinstance(path, str):
                return EpisodeStore(path)
        return self.store("video/heldout")

    @cached_property
    def embedding(self) -> Embedding:
        """The newest checkpoint. Raises DataError where there is none, CheckpointError where it is damaged."""
        from vision.build import load_embedding

        folders = sorted(self.find("embedding/checkpoints").glob("step-*"))
        if not folders:
            raise DataError(f"{self.path} has no checkpoint of an embedding yet; python {MAKER['embedding']} makes one")
        return load_embedding(folders[-1])

    @cached_property
    def demo(self) -> dict[str, Any]:
        """demo.json; empty where there is none. Raises DataError where it is damaged."""
        path = self.path / "demo.json"
        return _object(path) if path.exists() else {}

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """evaluation.json; empty where there is none. Raises DataError where it is damaged."""
        name = "evaluation/evaluation.json"
        return self.json(name) if self.has(name) else {}

    def figure(self, name: str) -> Figure | None:
        """Return a figure of demo.json, or the same where evaluation.json or the embedding's metrics.json has it."""
        found = as_figure(_inside(self.demo, "figures", name))
        if found is None and name.endswith("_success"):
            who = name.removesuffix("_success").replace("policy", "agent")
            found = as_figure(_inside(self.evaluation, who, "success"))
        if found is None and name == "tcn_alignment_error" and self.has("embedding/metrics.json"):
            found = as_figure({"value": self.json("embedding/metrics.json").get("alignment_error")})
        return found

    def camera_pair(self, store: EpisodeStore) -> tuple[str, str]:
        """Return two cameras: whose view the policy sees, and whose view the demonstration was seen in.

        demo.json's `cameras: {policy, demonstration}` where it names them, else the first two that the embedding knows.
        """
        named = [_inside(self.demo, "cameras", role) for role in ("policy", "demonstration")]
        known = getattr(self.embedding, "cameras", ()) if self.has("embedding/checkpoints") else ()
        pair = [*(name for name in named if isinstance(name, str)), *known, *store.cameras]
        pair = [name for name in dict.fromkeys(pair) if name in store.cameras][:2]
        return pair[0], pair[-1]


def as_figure(found: Any) -> Figure | None:
    """Return `{"value": ..., "low": ..., "high": ..., "n": ...}` as a figure; None where value is no finite number."""
    if not isinstance(found, Mapping) or (value := number(found.get("value"))) is None:
        return None
    n = number(found.get("n"))
    return Figure(value, number(found.get("low")), number(found.get("high")), None if n is None else int(n))


def number(value: Any) -> float | None:
    """Return a finite number as float, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _inside(values: Any, *names: str) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


def _numbers(line: str) -> dict[str, float]:
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    items = values.items() if isinstance(values, dict) else ()
    return {key: known for key, value in items if (known := number(value)) is not None}


def _object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_text(path))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}); it was cut or edited; make it again") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} holds a {type(values).__name__}; allowed is an object; make it again")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); make it readable") from error
