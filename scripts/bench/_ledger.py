"""`results/seeds/X.json`: what each training of a bench measured, so that seeds can be added on another machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.bench._figures import Origin
from sslctrl import durable
from sslctrl.errors import DataError
from sslctrl.run import write_atomically

Measured = dict[str, float]
_HASH = re.compile(r"[-/][0-9a-f]{8}(?=/|$)")


class Ledger:
    """Values by the name of the training that told them, `<part>/seed-<n>/<variant>-<hash of its settings>`."""

    def __init__(self, path: Path) -> None:
        """Raises DataError where the file exists and is no ledger."""
        self.path = Path(path)
        self._entries: dict[str, tuple[Origin, Measured]] = {}
        try:
            for block in json.loads(self.path.read_text()) if self.path.exists() else ():
                origin = Origin(block["commit"], block["machine"])
                self._entries |= {name: (origin, dict(values)) for name, values in block["measured"].items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(f"{path} is not a ledger ({error!r}); run its bench again, or delete it") from error

    def get(self, name: str) -> tuple[Origin, Measured] | None:
        """Return where a training's values are from, and the values, or None where they are not known."""
        return self._entries.get(name)

    def put(self, name: str, origin: Origin, values: Mapping[str, float]) -> None:
        """Note them; those of the same training with other settings go."""
        same = [other for other in self._entries if _HASH.sub("", other) == _HASH.sub("", name)]
        for other in same:
            del self._entries[other]
        self._entries[name] = (origin, dict(values))

    def save(self) -> None:
        """Write the file, one block for each commit and machine. Raises StorageError where it cannot be written."""
        blocks: dict[Origin, dict[str, Any]] = {}
        for name, (origin, values) in sorted(self._entries.items()):
            blocks.setdefault(origin, {**origin._asdict(), "measured": {}})["measured"][name] = values
        durable.make_folder(self.path.parent)
        write_atomically(self.path, json.dumps(list(blocks.values()), indent=1, allow_nan=False) + "\n")
