"""Stores when disks refuse, writers die, and several write at once."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from squares import moving_square

from sslctrl import durable
from sslctrl.errors import DataError, StorageError
from sslctrl.store import EpisodeStore


def test_processes_add_at_once(tmp_path: Path) -> None:
    root = tmp_path / "store"
    program = (
        "import sys; from squares import moving_square; from sslctrl.store import EpisodeStore\n"
        "store = EpisodeStore(sys.argv[1], create=True)\n"
        "for n in range(8): store.add(moving_square(int(sys.argv[2]) + n, steps=3, size_px=8))"
    )
    firsts = (0, 100, 200)
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(root), str(first)], env=_path_env()) for first in firsts
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    store = EpisodeStore(root)
    assert store.ids == tuple(f"{n:06d}" for n in range(24))
    assert sorted(store.read(name).meta["seed"] for name in store.ids) == [f + n for f in firsts for n in range(8)]
    assert store.verify() == []


def test_a_damaged_byte_in_a_header_is_found_whatever_it_makes_of_it(square_store: EpisodeStore) -> None:
    id = square_store.ids[0]
    for name in ("frames", "state"):
        path = square_store.root / id / f"{name}.npy"
        data = path.read_bytes()
        for at in range(128):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
            assert f"{name}.npy" in square_store.verify()[0]
        path.write_bytes(data)
    (square_store.root / id / "meta.json").write_text("[" * 100_000)
    assert "meta.json cannot be read" in square_store.verify()[0]


def test_leftovers_are_ignored_and_old_ones_are_swept(square_store: EpisodeStore) -> None:
    root = square_store.root
    old, young, others = root / f"{durable.ASIDE}old", root / f"{durable.ASIDE}young", root / ".tmp-others"
    hour_ago = time.time() - 3600
    for left in (old, young, others):
        left.mkdir()
        (left / "frames.npy").write_bytes(b"half")
        if left != young:
            os.utime(left, (hour_ago, hour_ago))
    assert EpisodeStore(root).ids == square_store.ids
    assert EpisodeStore(root, create=True).ids == square_store.ids
    assert not old.exists() and others.exists()
    assert young.exists()  # perhaps another process writes it at this moment


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_refuses_leaves_nothing(
    square_store: EpisodeStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(StorageError, match="no room to write" if number != errno.EIO else "cannot write") as caught:
        square_store.add(moving_square(9))
    assert caught.value.exit_code == 5
    assert sorted(path.name for path in square_store.root.iterdir()) == ["000000", "000001"]
    monkeypatch.undo()
    assert square_store.add(moving_square(9)) == "000002"


def test_a_full_disk_for_real_leaves_nothing(square_store: EpisodeStore) -> None:
    """The kernel itself refuses bytes here: the process may write no file above 4 kB."""
    program = (
        "import resource, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from squares import moving_square\n"
        "from sslctrl.errors import StorageError\n"
        "from sslctrl.store import EpisodeStore\n"
        "store, episode = EpisodeStore(sys.argv[1]), moving_square(0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    store.add(episode)\n"
        "except StorageError as error:\n    sys.exit('no room' in str(error) and 5)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(square_store.root), str(Path(__file__).parents[1])])
    assert done.returncode == 5
    assert sorted(path.name for path in square_store.root.iterdir()) == ["000000", "000001"]


def test_a_killed_writer_leaves_only_whole_episodes(tmp_path: Path) -> None:
    root = tmp_path / "store"
    program = "import sys; sys.path.insert(0, sys.argv[2])\n"
    program += "from test_store_trouble import add_forever; add_forever(sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", program, str(root), str(Path(__file__).parent)], env=_path_env())
    deadline = time.monotonic() + 60
    while not (root / "000003").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    child.kill()
    child.wait()
    store = EpisodeStore(root)
    assert len(store) >= 4
    assert store.verify() == []
    assert store.lengths.tolist() == [5] * len(store)


def test_few_file_handles_are_enough(square_store: EpisodeStore) -> None:
    for _ in range(70):
        square_store.add(moving_square(1, steps=2))
    code = (
        "import resource, sys, numpy as np; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 128)); "
        "from sslctrl.store import EpisodeStore; from sslctrl.clips import Pick; store = EpisodeStore(sys.argv[1]); "
        "one = np.zeros((1, 1), int); store.intact(); "
        "[store.clips(Pick(np.array([i]), one, one[..., None])) for i in range(len(store))]"
    )
    done = subprocess.run([sys.executable, "-c", code, str(square_store.root)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_what_is_to_be_replaced_is_there_until_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, real, calls = tmp_path / "step-1", os.rename, []
    durable.publish(folder, {"a": b"old"})

    def second_fails(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target)

    monkeypatch.setattr(durable.os, "rename", second_fails)
    with pytest.raises(StorageError):
        durable.publish(folder, {"a": b"new"}, replace=True)
    monkeypatch.undo()
    assert (folder / "a").read_bytes() == b"old" and list(tmp_path.iterdir()) == [folder]
    folder.rename(tmp_path / ".sslctrl-old-step-1")  # as a kill between the two would leave it
    durable.sweep(tmp_path)
    assert (folder / "a").read_bytes() == b"old"
    durable.publish(folder, {"a": b"new"}, replace=True)
    assert (folder / "a").read_bytes() == b"new" and list(tmp_path.iterdir()) == [folder]


def test_recording_and_reading_need_no_torch(square_store: EpisodeStore) -> None:
    program = (
        "import sys; from sslctrl.store import EpisodeStore; from sslctrl.registry import Registry\n"
        "from sslctrl.fit_config import FitConfig; from sslctrl import clips, rng\n"
        "store = EpisodeStore(sys.argv[1], create=True); store.add(store.read('000000')); FitConfig()\n"
        "assert store.layout.views == 3 and not store.verify(); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program, str(square_store.root)], env=_path_env())
    assert done.returncode == 0


def add_forever(root: str) -> None:
    store = EpisodeStore(root, create=True)
    while True:
        store.add(moving_square(len(store), steps=4))


def _path_env() -> dict[str, str]:
    tests = Path(__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}


def test_a_file_that_may_not_be_opened_is_not_called_damaged(square_store: EpisodeStore, monkeypatch) -> None:
    def refuse(*given: object, **named: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    with pytest.raises(DataError, match=r"\(Too many open files\); see to the disk, .* open files") as caught:
        square_store.read(square_store.ids[0])
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("function", [os.scandir, Path.read_bytes])
def test_a_store_that_may_not_be_read_is_named_so(square_store: EpisodeStore, monkeypatch, function: Any) -> None:
    def refuse(*given: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os if function is os.scandir else Path, function.__name__, refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\); see to the disk, your rights"):
        _ = EpisodeStore(square_store.root).layout


def test_a_store_that_was_read_can_be_handed_to_a_process(square_store: EpisodeStore) -> None:
    square_store.read(square_store.ids[0])
    again = pickle.loads(pickle.dumps(square_store.subset(square_store.ids[:1])))
    assert again.digest() == square_store.subset(square_store.ids[:1]).digest()


def test_new_folders_names_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(durable, "flush", flushed.append)
    durable.make_folder(tmp_path / "a" / "b")
    assert set(flushed) == {tmp_path, tmp_path / "a"}
