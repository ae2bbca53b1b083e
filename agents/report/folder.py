"""A run's folder as it is found: every part may be missing, half-written or damaged, and says so in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sslctrl import config as configs
from sslctrl.checkpoint import ABOUT, folders
from sslctrl.clips import Episode
from sslctrl.errors import DataError, InputError, SslctrlError
from sslctrl.run import CONFIG
from sslctrl.store import EpisodeStore

if TYPE_CHECKING:
    from sslctrl.embeddings.base import Embedding
    from sslctrl.objective import Objective

MAKER = {
    "video": "scripts/collect.py",
    "embedding": "scripts/train_embedding.py",
    "agent": "scripts/train_agent.py",
    "evaluation": "scripts/evaluate.py",
}
"""Which command makes a part; scripts/demo.py makes all of them."""
_SIGN = {"embedding": "metrics.jsonl", "agent": "curve.jsonl", "evaluation": "evaluation.json"}
"""The file by which a folder is known to be that part itself, and none of several parts."""


class Figure(NamedTuple):
    """A number with its interval and how many trials it is of, where they are known."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


class RunFolder:
    """A folder of several parts, as the demo's, or that of an embedding's or policy's run alone."""

    def __init__(self, path: Path, allow: Collection[str] = ()) -> None:
        """`allow`: classes outside the registries that its checkpoint may name. Raises InputError where there is no
        folder, or nothing of a run in it.
        """
        self.allow = allow
        self.damage: list[SslctrlError] = []
        """Of configs, which were passed over."""
        self.path, allowed = Path(path), "allowed is one that a demo, a training or an evaluation wrote"
        if not self.path.is_dir():
            raise InputError(f"there is no run folder {path}; {allowed}; give such a one")
        if not self.parts:
            raise InputError(f"{path} holds nothing of a run yet; {allowed}; give such a one, or let the run go on")

    @cached_property
    def parts(self) -> frozenset[str]:
        """What this is a run of: embedding, agent, evaluation; all that MAKER has for the demo, and for others that
        have a demonstration.
        """
        found = {part for part in _SIGN if self.has(f"{part}/{_SIGN[part]}")}
        return frozenset(MAKER) if self.is_demo else frozenset(found)

    @property
    def is_demo(self) -> bool:
        """Whether `scripts/demo.py` made it, or has begun to."""
        return (self.path / "demo.json").exists() or (self.path / "video" / "demonstration").is_dir()

    def find(self, name: str) -> Path:
        """Return the path of `part/file`, in the run's folder itself where it is that part. Raises DataError."""
        part, _, rest = name.partition("/")
        itself = part in _SIGN and not (self.path / part).is_dir() and (self.path / _SIGN[part]).exists()
        path = self.path / (rest if itself else name)
        if not path.exists():
            raise DataError(f"{name} is not in this run; {self.maker(part)}")
        return path

    def maker(self, part: str) -> str:
        """Return which commands make a part, as the end of a sentence."""
        demo = f"python scripts/demo.py --run {self.path}, or " if self.is_demo else ""
        return f"{demo}python {MAKER[part]} makes it"

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
        return self._store_or("video/heldout", self.embedding_config.get("eval_store"))

    def demonstration(self) -> Episode:
        """Read the one demonstration: the demo's, or the one that a policy's own run names. Raises DataError."""
        store = self._store_or("video/demonstration", self.agent_config.get("demonstration"))
        return store.read(store.ids[0])

    def driven_by(self, who: str) -> list[Episode]:
        """Read the recorded episodes of a policy of the evaluation: agent, expert, random or do_nothing; or none."""
        name = f"evaluation/{who}"
        if not self.has(name) or not any(self.find(name).glob("*/meta.json")):
            return []
        store = self.store(name)
        return [episode for episode in map(store.read, store.ids) if driver_of(episode) in (who, "")]

    @cached_property
    def embedding(self) -> Embedding:
        """The newest checkpoint, or a policy's copy. Raises DataError for none, CheckpointError for a damaged one."""
        from vision.build import load_embedding

        if (self.path / "embedding" / ABOUT).exists():
            return load_embedding(self.path / "embedding", self.allow)
        return load_embedding(self._newest(), self.allow)

    @cached_property
    def task(self) -> str:
        """The pretext task's name, where this is a run of one; else empty."""
        return str(self.embedding_config.get("task", ""))

    @cached_property
    def labels(self) -> str:
        """What rewards recorded grasps, where this is a run of `scripts/train_grasping.py`; else empty."""
        return str(self.embedding_config.get("labels", ""))

    @cached_property
    def pretext(self) -> Objective:
        """A pretext task's newest checkpoint. Raises DataError for none, CheckpointError for a damaged one."""
        from vision.build import load_objective

        return load_objective(self._newest(), self.allow)

    @cached_property
    def embedding_config(self) -> dict[str, Any]:
        """The embedding's or pretext task's config; empty where there is none, or where it is damaged."""
        return self._config("embedding")

    @cached_property
    def agent_config(self) -> dict[str, Any]:
        """The policy's config; empty where there is none, or where it is damaged."""
        return self._config("agent")

    @cached_property
    def demo(self) -> dict[str, Any]:
        """demo.json; empty where there is none. Raises DataError where it is damaged."""
        path = self.path / "demo.json"
        return _object(path) if path.exists() else {}

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """What each policy achieved; empty where nothing was evaluated. Raises DataError where the file is damaged."""
        name = "evaluation/evaluation.json"
        values = self.json(name) if self.has(name) else {}
        return values["policies"] if isinstance(values.get("policies"), dict) else values

    def figure(self, name: str) -> Figure | None:
        """Return a figure of demo.json, or the same where evaluation.json, the embedding's metrics.json or the policy's
        last exam has it.
        """
        found = as_figure(_inside(self.demo, "figures", name))
        if found is None and name.endswith("_success"):
            who = name.removesuffix("_success").replace("policy", "agent")
            found = as_figure(_inside(self.evaluation, who, "success"))
        if found is None and "alignment" in name and self.has("embedding/metrics.json"):
            found = as_figure({"value": self.json("embedding/metrics.json").get(name.removeprefix("tcn_"))})
        if found is None and name == "policy_success":
            with suppress(DataError):  # no exam yet
                last = self.lines("agent/curve.jsonl")[-1]
                ends = {end: last.get(f"success_{end}") for end in ("low", "high")}
                found = as_figure({"value": last.get("success"), **ends, "n": self.agent_config.get("eval_episodes")})
        return found

    def camera_pair(self, cameras: Sequence[str]) -> tuple[str, str]:
        """Return two of the cameras: through which the policy sees, and through which its demonstration was seen.

        As the policy's config says, else the first two that the embedding knows; twice the same where there is one.
        """
        known: list[Any] = [self.agent_config.get("camera"), self.agent_config.get("demo_camera")]
        with suppress(SslctrlError):  # no embedding: any two will do
            known += self.embedding.learns_from
        pair = [name for name in dict.fromkeys([*map(str, known), *cameras]) if name in cameras][:2]
        return pair[0], pair[-1]

    def _newest(self) -> Path:
        found = folders(self.find("embedding/checkpoints").parent)
        if not found:
            raise DataError(f"{self.path} has no checkpoint of an embedding yet; {self.maker('embedding')}")
        return found[0]

    def _config(self, part: str) -> dict[str, Any]:
        name = f"{part}/{CONFIG}"
        try:
            return configs.load_plain(self.find(name)) if self.has(name) else {}
        except SslctrlError as error:
            self.damage.append(error)
            return {}

    def _store_or(self, name: str, elsewhere: Any) -> EpisodeStore:
        if not self.has(name) and isinstance(elsewhere, str):
            store = EpisodeStore(elsewhere)
            _ = store.layout
            return store
        return self.store(name)


def driver_of(episode: Episode) -> str:
    """Return who acted in an episode: a policy's name, a behaviour's, or nothing where the recorder did not say."""
    return str(episode.meta.get("policy", episode.meta.get("behavior", "")))


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
