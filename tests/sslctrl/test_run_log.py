"""A log on a full disk says so in one line."""

from pathlib import Path

import pytest

from sslctrl.errors import StorageError
from sslctrl.run_log import RunLog


def test_a_full_disk_is_a_storage_error_while_writing_and_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no room to write .*metrics"), RunLog(tmp_path, 0) as log:
        log._file.close()
        log._file = open("/dev/full", "w")  # noqa: SIM115 - closed by the log
        log.write(1, {"loss": 0.5})
