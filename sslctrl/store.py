"""An append-only folder of episodes: what is added is on the disk, whole and checksummed, when `add` returns.

Layout: `<root>/<id>/{frames,state,proprio,action,reward}.npy`, `depth.npy` and `pursued.npy` where they were recorded,
and `meta.json`.
Reading runs no code from the files and maps the frames, so that a batch touches only the bytes it needs.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import resource
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from tqdm import tqdm

from sslctrl import durable, episode_files
from sslctrl.clips import Clips, Episode, Layout, Pick, seconds_a_step
from sslctrl.errors import DataError, InputError, nearest
from sslctrl.gather import FrameBytes, Vectors, check_pick, gather, gather_depth

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_ID = 100
_MAPPED_AT_MOST = 16384  # the kernel allows a process 65530 maps


class _Opened(NamedTuple):
    episode: Episode
    film: FrameBytes
    depth: FrameBytes | None


class EpisodeStore:
    """A folder of episodes. Several processes may add at once; `ids` are those at opening and those added here."""

    def __init__(self, root: str | Path, create: bool = False) -> None:
        """Open a store; `create` makes it where it is missing.

        Raises DataError where there is no store, StorageError where it cannot be created.
        """
        self.root = Path(root)
        if create:
            durable.make_folder(self.root)
            durable.sweep(self.root)
        try:
            self._ids = _list_ids(self.root)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataError(
                f"{self.root} is not a folder of episodes; give a store's folder, or record one with collect"
            ) from error
        except OSError as error:
            raise episode_files.unreadable(self.root, error) from error
        self._open: dict[str, _Opened] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is mapped: a process that is handed the store opens the files itself."""
        return {"root": self.root, "_ids": self._ids, "_open": {}}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> tuple[str, ...]:
        """The episodes' names, sorted: `Pick.episode` counts in this order."""
        return self._ids

    @property
    def cameras(self) -> tuple[str, ...]:
        """The views' names."""
        return self.layout.cameras

    @property
    def lengths(self) -> np.ndarray:
        """Frames (T+1) of each episode: int64 (E,)."""
        return self.layout.lengths

    @cached_property
    def layout(self) -> Layout:
        """What a sampler may know. Raises DataError for an empty store or one whose episodes have different cameras."""
        if not self._ids:
            raise DataError(
                f"{self.root} holds no episode; allowed is one or more; record some with collect, or import video"
            )
        metas = self._metas
        cameras = metas[0]["cameras"]
        for id, meta in zip(self._ids, metas, strict=True):
            if meta["cameras"] != cameras:
                raise DataError(
                    f"episode {id} of {self.root} has cameras {meta['cameras']}, the first has {cameras}; "
                    "allowed is one rig a store; use subset() to keep one kind"
                )
        lengths = np.array([meta["length"] + 1 for meta in metas])
        return Layout(lengths, len(cameras), tuple(cameras), np.array([*map(seconds_a_step, metas)]), self.digest())

    def check_outside(self, run: str | Path) -> None:
        """Raise InputError where a run's folder lies in the store: it would be taken for an episode."""
        if Path(run).resolve().is_relative_to(self.root.resolve()):
            raise InputError(
                f"the run's folder {run} is in the store {self.root}, which would take it for an episode; allowed is "
                "any other place; give another"
            )

    def add(self, episode: Episode, id: str | None = None) -> str:
        """Write an episode and return its id, by default the next number; it is on the disk when this returns.

        Raises InputError for an episode that is not as `Episode` says or an id that exists, StorageError where the disk
        refuses; then nothing of it is left.
        """
        if id is not None and not (_ID.fullmatch(id) and len(id) <= _LONGEST_ID):
            raise InputError(
                f"episode id {id!r} is not allowed; allowed are up to 100 letters, digits, . _ -; choose such a name"
            )
        files = episode_files.encode(episode)
        while True:
            chosen = id or _next_id(self.root)
            try:
                durable.publish(self.root / chosen, files)
                break
            except FileExistsError as error:
                if id is not None:  # else another process took the number: take the next
                    raise InputError(f"{self.root} has an episode {id!r} already; choose another id") from error
        self._ids = tuple(sorted({*self._ids, chosen}))
        for known in ("layout", "_metas", "_vectors", "_success"):
            self.__dict__.pop(known, None)
        return chosen

    def read(self, id: str) -> Episode:
        """Return an episode, its arrays read-only, frames memory-mapped. Raises InputError, or DataError naming the
        file.
        """
        if id not in self._ids:
            raise self._unknown(id)
        episode = self._load(id).episode
        return episode._replace(meta=copy.deepcopy(episode.meta))

    def verify(self) -> list[str]:
        """Hash every byte and return one line for each damaged or missing file; raises nothing."""
        bar = tqdm(self._ids, desc="verifying", unit="episode", disable=None, leave=False, delay=2)
        return [problem for id in bar for problem in episode_files.damaged(self.root / id)]

    def intact(self) -> Self:
        """Return this store, every byte of it verified. Raises DataError naming the first damaged file."""
        if problems := self.verify():
            raise DataError(problems[0] + f" (and {len(problems) - 1} more)" * (len(problems) > 1))
        return self

    def subset(self, ids: Iterable[str]) -> EpisodeStore:
        """Return a view of some of the episodes; what is mapped is shared. Raises InputError for an unknown id."""
        chosen = sorted(set(ids))
        if strangers := sorted(set(chosen) - set(self._ids)):
            raise self._unknown(strangers[0])
        part = EpisodeStore.__new__(EpisodeStore)
        part.root, part._ids, part._open = self.root, tuple(chosen), self._open
        return part

    def digest(self) -> str:
        """Return the sha256 of all contents: equal for two stores whose episodes are the same under the same ids."""
        lines = [f"{id} {digest}\n" for id, digest in self.digests().items()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def digests(self) -> dict[str, str]:
        """Return each episode's sha256 by its id: equal for two of the same contents, in whatever store."""
        return {id: meta["digest"] for id, meta in zip(self._ids, self._metas, strict=True)}

    def clips(self, pick: Pick) -> Clips:
        """Gather a batch as torch tensors, frames as uint8. Raises InputError for a pick outside the store."""
        check_pick(pick, self.layout)
        opened = {index: self._load(self._ids[index]) for index in set(pick.episode.tolist())}
        clips = gather(
            {index: one.film for index, one in opened.items()}, pick, self.layout.lengths, self._vectors, self._success
        )
        if pick.depth:
            clips = clips._replace(depth=gather_depth(self._depths(opened), pick, self.layout.lengths))
        return clips._replace(others=tuple(self.clips(other) for other in pick.others))

    @cached_property
    def _metas(self) -> list[dict[str, Any]]:
        return [episode_files.load_meta(self.root / id) for id in self._ids]

    @cached_property
    def _vectors(self) -> dict[str, Vectors]:
        folders = [self.root / id for id in self._ids]
        return {
            name: Vectors.joined(list(map(episode_files.load_array, folders, repeat(name), self._metas)), name)
            for name in ("action", "proprio", "state")
        }

    @cached_property
    def _success(self) -> np.ndarray:
        return np.array([meta["success"] for meta in self._metas], bool)

    def _load(self, id: str) -> _Opened:
        if id not in self._open:
            folder = self.root / id
            meta = episode_files.load_meta(folder)
            arrays = {name: episode_files.load_array(folder, name, meta) for name in episode_files.arrays_of(meta)}
            if len(self._open) >= _episodes_at_once():
                self._open.pop(next(iter(self._open)))
            episode = Episode(**arrays, meta=episode_files.recorder_meta(meta))
            depth = None if episode.depth is None else FrameBytes.of(episode.depth[..., None].view(np.uint8))
            self._open[id] = _Opened(episode, FrameBytes.of(episode.frames), depth)
        return self._open[id]

    def _depths(self, opened: Mapping[int, _Opened]) -> dict[int, FrameBytes]:
        """Return the episodes' depth. Raises DataError where one has none."""
        depths = {index: one.depth for index, one in opened.items() if one.depth is not None}
        if lacking := sorted(set(opened) - set(depths)):
            raise DataError(
                f"episode {self._ids[lacking[0]]} of {self.root} has no depth; allowed are episodes recorded with it; "
                "record them with collect --depth"
            )
        return depths

    def _unknown(self, id: str) -> InputError:
        close = nearest(id, self._ids)
        return InputError(f"{self.root} has no episode {id!r}; the nearest are {close}; choose one of `ids`")


@cache
def _episodes_at_once() -> int:
    """Return how many episodes a store keeps mapped: each takes a file handle, with depth two, of which many systems
    allow 1024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a process may raise its own limit as far as the hard one
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return _MAPPED_AT_MOST
    return max(1, min(_MAPPED_AT_MOST, soft // 3))


def _list_ids(root: Path) -> tuple[str, ...]:
    with os.scandir(root) as entries:
        return tuple(sorted(entry.name for entry in entries if _ID.fullmatch(entry.name) and entry.is_dir()))


def _next_id(root: Path) -> str:
    numbers = [int(id) for id in _list_ids(root) if id.isdecimal()]
    return f"{max(numbers, default=-1) + 1:06d}"
