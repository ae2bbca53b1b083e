"""Fetch the real images and films that the benches of pretext tasks learn from, into a cache outside the repository.

python scripts/data.py
"""

from scripts._cli import main
from scripts.bench._data_config import DataConfig

if __name__ == "__main__":
    main(DataConfig, "scripts.bench._data:fetch")
