"""The demo over seeds, and beside each the same training on other rewards, into results/demo.json. Goes on where it was
stopped.

python scripts/bench/demo.py
"""

from __future__ import annotations

from functools import partial

from scripts._cli import main
from scripts.bench._demo_config import DemoBenchConfig
from scripts.bench._verdicts import told

if __name__ == "__main__":
    main(DemoBenchConfig, "scripts.bench._demo_parts:measure", partial(told, goals={}))
