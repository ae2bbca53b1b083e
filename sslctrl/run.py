"""The folder of one run: what was asked for (`config.yaml`), where it ran (`run.json`), and what it measured."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sslctrl import checkpoint, durable, same_run
from sslctrl import config as configs
from sslctrl.errors import CheckpointError, InputError, Interrupted, SslctrlError

CONFIG, RECORD = "config.yaml", "run.json"
_VERSIONS_OF = (
    "sslctrl", "torch", "numpy", "numba", "lightning-fabric", "scikit-learn", "gymnasium", "pybullet",
    "stable-baselines3", "sb3-contrib",
)  # fmt: skip


class RunDir:
    """A run's folder. It belongs to one config: what comes to lie in it was made by what `config.yaml` says.

    In a `with` statement a first start that is refused, for bad input say, gives the folder back: the corrected command
    may claim it.
    """

    def __init__(
        self,
        path: str | Path,
        config: Any,
        seed: int,
        device: str = "cpu",
        dataset: str = "",
        free: Collection[str] = (),
    ) -> None:
        """Create the folder, or open it again to go on with the same config.

        config: a dataclass; device: where it computes; dataset: the store's digest; free: names of the fields, dotted
        where nested, that may change from one start to the next since the result does not depend on them. Raises
        InputError naming a field that differs from the folder's config, StorageError where it cannot be written.
        """
        self.path = Path(path)
        durable.make_folder(self.path)
        identity = {"seed": seed, "dataset": dataset}
        record = self._record()  # read before anything is written: what is damaged stays as it is, to be looked at
        starts = record.pop("starts", [])
        self._first, self._before = not (self.path / CONFIG).exists(), self._checkpoints()
        same_run.agree(self.path, record or identity, identity)
        asked = configs.to_plain(config)
        same_run.agree(self.path, self._config(type(config)) or asked, asked, free)
        write_atomically(self.path / CONFIG, configs.to_yaml(config))
        self.write_json(RECORD, {**identity, "starts": [*starts, start_record(device)]})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        refused = isinstance(error, SslctrlError) and not isinstance(error, Interrupted)
        if self._first and refused and self._checkpoints() == self._before:
            for name in (CONFIG, RECORD):
                (self.path / name).unlink(missing_ok=True)

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file into the folder, whole or not at all, and return its path; NaN is not JSON: ValueError."""
        return write_atomically(self.path / name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def _checkpoints(self) -> set[Path]:
        """Return those of the run and of the runs in its folder, as rounds are."""
        return {path for run in self.path.rglob("checkpoints") for path in checkpoint.folders(run.parent)}

    def _config(self, cls: type) -> dict[str, Any]:
        """Return the folder's config, with the defaults of fields that there were not yet when it was written."""
        path = self.path / CONFIG
        if not path.exists():
            return {}
        values, known = configs.load_plain(path), [field.name for field in fields(cls)]
        if strange := [key for key in values if key not in known]:
            raise InputError(
                f"{self.path} holds a run of another kind, or of another sslctrl, whose config says {strange[0]}; "
                "allowed is a folder of its own; give another run folder"
            )
        return configs.to_plain(configs.from_plain(cls, values, str(path)))

    def _record(self) -> dict[str, Any]:
        path = self.path / RECORD
        if not path.exists():
            return {}
        try:
            record = json.loads(path.read_text())
            return {"seed": record["seed"], "dataset": record["dataset"], "starts": list(record["starts"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error!r}); delete it, or give another run folder") from error


def write_atomically(path: Path, text: str) -> Path:
    """Write a text file so that a reader, or a crash, meets the old or the new one; return its path.

    Raises StorageError where the disk refuses; the old file is then as it was.
    """
    aside = path.with_name(f"{durable.ASIDE}{path.name}-{os.getpid()}")
    try:
        aside.write_text(text)
        durable.flush(aside)
        aside.replace(path)
        durable.flush(path.parent)
    except OSError as error:
        raise durable.storage_error(error, path) from error
    finally:
        aside.unlink(missing_ok=True)  # gone already where it was renamed
    return path


def start_record(device: str = "cpu") -> dict[str, Any]:
    """Return what tells one start from another: command, commit, date (UTC), machine, device and versions."""
    return {
        "command": shlex.join(sys.argv),
        "commit": commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} CPUs",
        "device": device,
        "versions": {"python": platform.python_version(), **dict(_versions())},
    }


def commit() -> str | None:
    """Return the git commit of this package's source, `-dirty` where files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():  # installed into somebody's repository: that one's commit says nothing
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _versions() -> Iterator[tuple[str, str]]:
    for name in _VERSIONS_OF:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # optional, or run from a plain checkout
            continue
