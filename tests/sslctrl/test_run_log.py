"""A log on a full disk says so in one line."""

from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from sslctrl.errors import StorageError
from sslctrl.run_log import RunLog, keep_until


def test_a_full_disk_is_a_storage_error_while_writing_and_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no room to write .*metrics"), RunLog(tmp_path, 0) as log:
        log._file.close()
        log._file = open("/dev/full", "w")  # noqa: SIM115 - closed by the log
        log.write(1, {"loss": 0.5})


def test_a_board_that_cannot_be_closed_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: SummaryWriter) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr(SummaryWriter, "close", refuse)
    with pytest.raises(KeyError, match="mine"), RunLog(tmp_path, 0):
        raise KeyError("mine")


def test_lines_that_are_damaged_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": "x"}\n{"st\xffep": 2}\n{"step": 3}\n{"step": 2}')
    keep_until(path, 2)
    assert path.read_text() == '{"step": 1}\n'  # the last has no end: the next would be written behind it
