"""Compare backbones under control: what each pretext task's is worth, mixes of them, deeper ones, and labels.

python scripts/compare.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _cli import main
from scripts.bench._compare_config import CompareConfig
from scripts.bench._verdicts import told

if TYPE_CHECKING:
    from scripts.bench._intervals import Figure


def summary(figures: dict[str, Figure]) -> str:
    """Return one line a figure."""
    return told(figures, {})


if __name__ == "__main__":
    main(CompareConfig, "scripts.bench._compare:measure", summary)
