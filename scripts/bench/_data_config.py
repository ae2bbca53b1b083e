"""Where real images and films are kept. Apart from what makes them, so that a `--help` is quick."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


def data_folder() -> Path:
    """Return `$SSLCTRL_CACHE/data`, else `~/.cache/sslctrl/data`. It may not exist yet."""
    return Path(os.environ.get("SSLCTRL_CACHE") or Path.home() / ".cache" / "sslctrl") / "data"


@dataclass(frozen=True)
class DataConfig:
    """Fetch Debian's packages of images and films and scikit-image's stills, and make stores of them."""

    out: Path = field(default_factory=data_folder)
    """Folder of the data, and by default where benches look for it; what is there already is kept."""
