"""Folders that are made under another name and get their own when they are whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sslctrl import durable
from sslctrl.errors import StorageError


def test_a_folder_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with durable.whole(tmp_path / "new" / "out") as aside:
        (aside / "a").write_text("a")
        assert not (tmp_path / "new" / "out").exists()
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["out", "a"]


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    real = durable.flush
    monkeypatch.setattr(durable, "flush", lambda path: (flushed.append(path.name), real(path)))
    with durable.whole(tmp_path / "out") as aside:
        (aside / "in").mkdir()
        (aside / "in" / "a").write_text("a")
        flushed.clear()
    assert sorted(flushed[:-1]) == ["a", "in"] and flushed[-1] == tmp_path.name


def test_of_one_that_is_not_whole_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), durable.whole(tmp_path / "out") as aside:
        (aside / "a").write_text("a")
        raise KeyboardInterrupt
    with pytest.raises(StorageError, match="cannot write"), durable.whole(tmp_path / "out"):
        raise PermissionError(13, "Permission denied")
    assert list(tmp_path.iterdir()) == []


def test_of_two_makers_one_is_whole_and_the_other_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="exists already"), durable.whole(tmp_path / "out") as ours:
        (ours / "ours").write_text("")
        os.utime(ours, (0, 0))  # old, and yet its maker lives
        with durable.whole(tmp_path / "out") as theirs:
            (theirs / "theirs").write_text("")
            assert (ours / "ours").exists() and theirs != ours
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "theirs"]


def test_what_a_killed_maker_left_is_gone_with_the_next(tmp_path: Path) -> None:
    for left in (f"{durable.ASIDE}b[1]-0abc", f"{durable.ASIDE}other-0abc"):
        (tmp_path / left).mkdir()
        os.utime(tmp_path / left, (0, 0))
    with durable.whole(tmp_path / "b[1]"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{durable.ASIDE}other-0abc", "b[1]"]


@pytest.mark.parametrize("replace", [False, True])
def test_one_that_is_there_is_replaced_where_that_is_asked_for(replace: bool, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("")

    def make() -> None:
        with durable.whole(tmp_path / "out", replace) as aside:
            (aside / "new").write_text("")

    if replace:
        make()
    else:
        with pytest.raises(StorageError):
            make()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new" if replace else "old"]
