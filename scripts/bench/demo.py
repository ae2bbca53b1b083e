"""The demo over seeds, and beside each the same training on other rewards, into results/demo.json. Goes on where it was
stopped.

python scripts/bench/demo.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts._cli import main
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._verdicts import told

if TYPE_CHECKING:
    from scripts.bench._intervals import Figure


def summary(figures: dict[str, Figure]) -> str:
    """Return one line a figure."""
    return told(figures, {})


if __name__ == "__main__":
    main(DemoBenchConfig, "scripts.bench._demo_parts:measure", summary)
