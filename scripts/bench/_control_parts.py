"""The parts of the control bench, saved whenever one of their seeds is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scripts.bench import _control_ccrig, _control_g2v, _control_rig, _control_tcn
from scripts.bench._control_config import ControlConfig, Part
from scripts.bench._figures import Origin, Results
from scripts.bench._intervals import Figure

MEASURES: dict[Part, Callable[[ControlConfig], Iterator[tuple[dict[str, Figure], Origin]]]] = {
    "tcn": _control_tcn.figures,
    "g2v": _control_g2v.figures,
    "rig": _control_rig.figures,
    "ccrig": _control_ccrig.figures,
}
PREFIXES: dict[Part, tuple[str, ...]] = {
    "tcn": ("tcn.", "mftcn."),
    "g2v": ("g2v.",),
    "rig": ("rig.",),
    "ccrig": ("ccrig.", "vae."),
}
"""Of the figures of each part."""


def measure(config: ControlConfig) -> dict[str, Figure]:
    """Run what is missing and return all figures of the file. Raises DataError or StorageError for a bad file."""
    found: dict[str, Figure] = {}
    for part in config.only:
        asked, measured = config.of_part(part), set[str]()
        results = Results(config.file, asked.command, asked.seeds)
        for figures, origin in MEASURES[part](asked):
            results.record(figures, origin)
            measured |= figures.keys()
        results.drop_others(PREFIXES[part], measured)
        found = results.figures
    return found
