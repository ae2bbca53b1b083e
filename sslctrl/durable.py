"""Folders that are either there whole or not at all: written aside, flushed to the disk, and renamed."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sslctrl.errors import StorageError

ASIDE = ".sslctrl-tmp-"
_OLD = ".sslctrl-old-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_EXISTS = (errno.EEXIST, errno.ENOTEMPTY)


def publish(folder: Path, files: Mapping[str, bytes], replace: bool = False) -> None:
    """Write the files into `folder`; they are on the disk when this returns.

    Raises FileExistsError where the folder exists already, unless it is to be replaced, and StorageError, leaving
    nothing, where it cannot be written.
    """
    try:
        with _renamed(folder, replace) as aside:
            for name, data in files.items():
                (aside / name).write_bytes(data)
            for name in files:  # after all are written, so that the disk's journal is flushed once
                flush(aside / name)
    except OSError as error:
        if folder.exists() and error.errno in _EXISTS:
            raise FileExistsError(errno.EEXIST, "exists already", str(folder)) from error
        raise storage_error(error, folder) from error


@contextmanager
def whole(folder: Path, replace: bool = False) -> Iterator[Path]:
    """Let a folder be made under another name, the one that is given, and rename it when it is whole and on the disk.

    Of one that is not whole, nothing is left. Raises StorageError where it cannot be written, or exists already and is
    not to be replaced.
    """
    try:
        make_folder(folder.parent)
        with _renamed(folder, replace) as aside:
            sweep(folder.parent, folder.name, after_s=1.0)
            yield aside
            for path in aside.rglob("*"):
                flush(path)
    except OSError as error:
        if error.errno in _EXISTS:
            raise StorageError(f"{folder} exists already; allowed is a new one; use it, or name another") from error
        raise storage_error(error, folder) from error


@contextmanager
def _renamed(folder: Path, replace: bool) -> Iterator[Path]:
    """Make a folder under another name and, after what is done in it, rename it to `folder`; nothing else is left."""
    aside = folder.with_name(f"{ASIDE}{folder.name}-{secrets.token_hex(4)}")
    try:
        aside.mkdir()
        lock = os.open(aside, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tells `sweep` that the writer lives
            yield aside
            os.fsync(lock)
            if replace and folder.exists():
                _swap(aside, folder)
            else:
                os.rename(aside, folder)
        finally:
            os.close(lock)
        flush(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # gone already where it was renamed


def _swap(aside: Path, folder: Path) -> None:
    """Put a folder in another's place; where that fails, the other is there as before."""
    old = folder.with_name(f"{_OLD}{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.rename(folder, old)
        try:
            os.rename(aside, folder)
        except OSError:
            os.rename(old, folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        os.close(lock)


def flush(path: Path) -> None:
    """Put a file's bytes, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(parent: Path, name: str = "", after_s: float = 60.0) -> None:
    """Remove what killed writers left, of all folders or of one; a live writer's is locked, and one that is younger
    than `after_s` is spared, since it may not be yet. Of what one was about to replace, and had not, the old is put
    back.
    """
    name = glob.escape(name)
    for left in (*parent.glob(f"{_OLD}{name}*"), *parent.glob(f"{ASIDE}{name}*")):
        with suppress(FileNotFoundError, BlockingIOError, PermissionError):  # finished; alive; another's
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = left.with_name(left.name.removeprefix(_OLD))
                if left.name.startswith(_OLD) and not folder.exists():
                    os.rename(left, folder)
                elif time.time() - left.stat().st_mtime >= after_s:
                    shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder, its parents too, and prove that it can be written. Raises StorageError where it cannot."""
    try:
        new = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in new:
            flush(path.parent)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise storage_error(error, folder) from error


def storage_error(error: OSError, path: Path) -> StorageError:
    """Say in one line what the disk refused, and what to do."""
    if error.errno in FULL:
        return StorageError(
            f"no room to write {path} ({error.strerror}); nothing half-written is left; free space and rerun"
        )
    return StorageError(f"cannot write {path} ({error.strerror or error}); choose a folder that you may write to")
