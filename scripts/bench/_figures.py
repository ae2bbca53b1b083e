"""`results/X.json`: what was measured, by which command, on which commit and machine. Shared by all benches."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from scripts.bench._intervals import Figure
from sslctrl import durable
from sslctrl.errors import DataError
from sslctrl.run import write_atomically

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("numpy", "numba", "pybullet", "torch")
GENERATED = (":!results", ":!README.md", ":!docs/figures.md")  # what benches write is no change of what they measure


class Origin(NamedTuple):
    """Where figures are from."""

    commit: str
    machine: str

    @classmethod
    def joined(cls, origins: Iterable[Origin]) -> Origin:
        """Return all commits and all machines, each once."""
        columns = ("; ".join(column).split("; ") for column in zip(*origins, strict=True))
        return cls(*("; ".join(dict.fromkeys(column)) for column in columns))


_SOURCE = ("command", *Origin._fields)


class Results:
    """The figures of one file, saved whole at every :meth:`record`.

    What the file held before is kept, so that an interrupted or partial run adds to it: a figure of more seeds gives
    way only to one of all that are asked for. Each says which command made it, and where.
    """

    def __init__(self, path: Path, command: str, seeds: Sequence[int] = ()) -> None:
        """Raises DataError where the file exists and is not such a file."""
        self.path = Path(path)
        self._command, self._origin = command, origin()
        self._seeds = list(seeds)
        self._fields = self._read()

    @property
    def figures(self) -> dict[str, Figure]:
        """All figures of the file, by name."""
        return {name: figure_of(fields) for name, fields in self._fields.items()}

    def record(self, figures: Mapping[str, Figure], measured: Origin | None = None) -> None:
        """Add or replace figures and save. Raises StorageError where the file cannot be written.

        measured: where they are from, if that is not here and now.
        """
        from_where = {"command": self._command, **(measured or self._origin)._asdict()}
        with self._newest():
            self._fields |= {
                name: {**one._asdict(), **from_where}
                for name, one in figures.items()
                if one.n >= min(self._fields.get(name, {}).get("n", 0), len(self._seeds))
            }

    def drop_others(self, prefixes: tuple[str, ...], kept: Collection[str]) -> None:
        """Drop the figures of these prefixes that are not among those kept: what is no longer measured. Saves."""
        with self._newest():
            self._fields = {
                name: fields for name, fields in self._fields.items() if name in kept or not name.startswith(prefixes)
            }

    @contextmanager
    def _newest(self) -> Iterator[None]:
        """Read the file again, let the figures be changed, and save: what another bench added meanwhile stays."""
        durable.make_folder(self.path.parent)
        with FileLock(self.path.with_suffix(".lock")):
            self._fields = self._read()
            yield
            self._save()

    def _read(self) -> dict[str, dict]:
        before = load(self.path) if self.path.exists() else {"figures": {}}
        return {name: fields_of(name, before) for name in before["figures"]}

    def _save(self) -> None:
        shared = {("machine", self._origin.machine), ("command", self._command)}
        figures = {  # each says what is not the file's
            name: {key: value for key, value in fields.items() if (key, value) not in shared}
            for name, fields in sorted(self._fields.items())
        }
        content = {
            "command": self._command,
            **self._origin._asdict(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seeds": self._seeds,
            "figures": figures,
        }
        write_atomically(self.path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load(path: Path) -> dict:
    """Read a file of figures. Raises DataError where it is missing or no such file."""
    try:
        content = json.loads(Path(path).read_text())
        if set(content) != {"command", "commit", "machine", "date", "seeds", "figures"}:
            raise ValueError(f"its keys are {', '.join(content)}")
        for fields in content["figures"].values():
            figure_of(fields)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not a file of figures ({error}); run its bench again, or delete it") from error
    return content


def figure_of(fields: Mapping[str, Any]) -> Figure:
    """Return a figure as a file holds it. Raises TypeError where it is none."""
    return Figure(**{key: value for key, value in fields.items() if key not in _SOURCE})


def fields_of(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a file says of a figure, its command, commit and machine too: those of the file, if it has no own."""
    return {key: content[key] for key in _SOURCE} | content["figures"][name]


def origin_of(name: str, content: Mapping[str, Any]) -> Origin:
    """Return where a figure of a file is from."""
    fields = fields_of(name, content)
    return Origin(fields["commit"], fields["machine"])


def origin() -> Origin:
    """Return this commit and this machine."""
    return Origin(commit(), machine())


def commit() -> str:
    """Return what the variable SSLCTRL_COMMIT says, which a copy of a checkout on another machine is to be given;
    without it the checkout's short hash, with `+changes` where tracked files differ from it.
    """
    if told := os.environ.get("SSLCTRL_COMMIT"):
        return told
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", *GENERATED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if changed else "")


def machine() -> str:
    """Return processor, cores, memory, GPU and the versions that decide speed, in one line."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    gpu = [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
    parts = [_processor(), f"{os.cpu_count()} cores", f"{memory_gib:.0f} GiB", *gpu]
    return ", ".join([*parts, f"Python {platform.python_version()}", versions])


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
