"""What imports of a folder of files share: which files, and a store that is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sslctrl import durable
from sslctrl.clips import Episode
from sslctrl.errors import DataError, InputError
from sslctrl.run import CONFIG, RECORD, write_atomically
from sslctrl.store import EpisodeStore


def files_in(folder: Path, endings: Sequence[str], kind: str) -> list[Path]:
    """Return the files of these endings in a folder and the folders in it, sorted, but for what is hidden and for
    our own runs, which draw pictures, too. Raises DataError where there is no such folder; `kind` says what of.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder of {kind}; give one that holds {', '.join(endings)}")
    runs = {path.parent for path in folder.rglob(RECORD) if (path.parent / CONFIG).exists()} - {folder}
    found = (path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
    ours = (path for path in found if runs.isdisjoint(path.parents))
    return sorted(path for path in ours if not any(part[0] == "." for part in path.relative_to(folder).parts))


def source_file(out: Path) -> Path:
    """Return where it stands what a store was imported from, and how: beside it, and no part of its digest."""
    return out.with_name(f"{out.name}.json")


def kept_at(out: Path, source: Mapping[str, Any]) -> EpisodeStore | None:
    """Return the store that an earlier import made, or None. Raises InputError where something else is in its place, or
    an import of other files or with other options.
    """
    if not out.exists():
        return None
    store = EpisodeStore(out)
    if not store.ids:
        raise InputError(
            f"the import's own store is to be {out}, where something else is; allowed is a free place; "
            "give another run folder"
        )
    file = source_file(out)
    if file.exists() and (found := file.read_text()) != json.dumps(source):
        raise InputError(f"{out} was imported from {found}, asked for is {json.dumps(source)}; give another run folder")
    return store


def make_store(episodes: Iterable[Episode], out: Path, source: Mapping[str, Any]) -> EpisodeStore:
    """Make a store of the episodes beside `out`, then move it there. Raises StorageError."""
    with durable.whole(out) as aside:
        store = EpisodeStore(aside, create=True)
        for episode in episodes:
            store.add(episode)
        write_atomically(source_file(out), json.dumps(source))
    return EpisodeStore(out)
