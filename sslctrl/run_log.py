"""What a run measures as it goes: one JSON line a record, and the same in TensorBoard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from sslctrl.durable import storage_error
from sslctrl.run import write_atomically


class RunLog:
    """Appends to `<run>/metrics.jsonl` and `<run>/tb`; use it in a `with` statement."""

    def __init__(self, run: Path, step: int) -> None:
        """Open a run's log at a step; records of later steps, which a resumed run makes anew, are dropped.

        Raises StorageError where the run's folder cannot be written.
        """
        self._path = run / "metrics.jsonl"
        try:
            keep_until(self._path, step)
            self._file = open(self._path, "a")  # noqa: SIM115 - closed by __exit__
            self._board = SummaryWriter(str(run / "tb"), purge_step=step + 1)
        except OSError as error:
            raise storage_error(error, self._path) from error

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what a full disk did not take, and `write` has told of
            self._file.close()
        with contextlib.suppress(OSError):
            self._board.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record some numbers of one step. Raises StorageError on a full disk."""
        try:
            self._file.write(json.dumps({"step": step, **values}) + "\n")
            self._file.flush()
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        except OSError as error:
            raise storage_error(error, self._path) from error


def keep_until(path: Path, step: int) -> None:
    """Drop a log's records of later steps, which a resumed run makes anew, and a line that a crash cut."""
    lines = path.read_text(errors="replace").splitlines(keepends=True) if path.exists() else ()
    write_atomically(path, "".join(line for line in lines if line.endswith("\n") and _step(line) <= step))


def _step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
