"""Compare backbones under control: what each pretext task's is worth, mixes of them, deeper ones, and labels.

python scripts/compare.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._compare_config import CompareConfig
from scripts.bench._verdicts import told

if __name__ == "__main__":
    main(CompareConfig, "scripts.bench._compare:measure", partial(told, goals={}))
