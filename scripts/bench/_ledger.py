"""`results/seeds/X.json`: what each training of a bench measured, so that seeds can be added on another machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from scripts.bench._figures import Origin
from sslctrl import durable
from sslctrl.errors import DataError
from sslctrl.run import write_atomically

Measured = dict[str, float]
Entry = tuple[Origin, Measured]
_HASH = re.compile(r"[-/][0-9a-f]{8}(?=/|$)")


class Ledger:
    """Values by the name of the training that told them, `<part>/seed-<n>/<variant>-<hash of its settings>`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError where the file exists and is no ledger."""
        self.path = Path(path)
        self._entries = _read(self.path)
        self._new: dict[str, Entry] = {}

    def get(self, name: str) -> Entry | None:
        """Return where a training's values are from, and the values, or None where they are not known."""
        return self._entries.get(name)

    def put(self, name: str, origin: Origin, values: Mapping[str, float]) -> None:
        """Note them; those of the same training with other settings are dropped."""
        entry = origin, dict(values)
        if self._entries.get(name) != entry:
            self._entries[name] = self._new[name] = entry

    def save(self) -> None:
        """Add what is new to the file, one block for each commit and machine; what another bench has added meanwhile
        stays. Raises StorageError where it cannot be written.
        """
        if not self._new:
            return
        durable.make_folder(self.path.parent)
        with FileLock(self.path.with_suffix(".lock")):
            entries = _read(self.path)
            for name, entry in self._new.items():
                settled = _HASH.sub("", name)
                entries = {other: one for other, one in entries.items() if _HASH.sub("", other) != settled}
                entries[name] = entry
            blocks: dict[Origin, dict[str, Any]] = {}
            for name, (origin, values) in sorted(entries.items()):
                blocks.setdefault(origin, {**origin._asdict(), "measured": {}})["measured"][name] = values
            write_atomically(self.path, json.dumps(list(blocks.values()), indent=1, allow_nan=False) + "\n")
        self._entries, self._new = entries, {}


def _read(path: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    try:
        for block in json.loads(path.read_text()) if path.exists() else ():
            origin = Origin(block["commit"], block["machine"])
            entries |= {name: (origin, dict(values)) for name, values in block["measured"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is not a ledger ({error!r}); run its bench again, or delete it") from error
    return entries
