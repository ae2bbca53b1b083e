"""The leaderboard: one page that needs nothing beside it, with a table to sort and a plot for each metric."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup

from agents.report.blocks import Plot
from agents.report.svg import MUTED, OURS, canvas, svg
from scripts.bench._compare_config import QUESTIONS
from scripts.bench._intervals import Figure
from sslctrl import durable
from sslctrl.run import write_atomically

_BASELINES = ("random", "supervised", "autoencoder")


class Cell(NamedTuple):
    """A figure as the page shows it."""

    value: float
    text: str
    range: str
    """Empty where there is one seed."""


def write_page(path: Path, figures: Mapping[str, Figure], metrics: Mapping[str, int]) -> Path:
    """Write the page of all figures `<backbone>.<metric>` and return its path. Raises StorageError.

    metrics: of which less is better, they are -1. The first ranks the backbones.
    """
    names = {name.rpartition(".")[0] for name in figures if name.rpartition(".")[2] in metrics} - set(QUESTIONS)
    rows = {name: [_cell(figures.get(f"{name}.{metric}")) for metric in metrics] for name in names}
    first = next(iter(metrics))
    best = sorted(rows.items(), key=lambda row: -figures.get(f"{row[0]}.{first}", Figure(0, 0, 0, 0, "")).value)
    asked = {key: text for key, text in QUESTIONS.items() if any(f"{key}.{metric}" in figures for metric in metrics)}
    answers = [
        (metric.replace("_", " "), [_cell(figures.get(f"{key}.{metric}"), signed=True) for key in asked])
        for metric in metrics
    ]
    here = Path(__file__).parent
    script = (here / "leaderboard.js").read_text()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string((here / "leaderboard.html").read_text()).render(
        metrics={metric.replace("_", " "): sign for metric, sign in metrics.items()},
        rows=best,
        questions=asked.values(),
        answers=answers,
        seeds=max((figure.n for figure in figures.values()), default=0),
        plots=[_plot(metric, sign, names, figures) for metric, sign in metrics.items()],
        style=Markup((here.parents[1] / "agents" / "report" / "page.css").read_text()),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    durable.make_folder(path.parent)
    return write_atomically(path, page)


def _cell(figure: Figure | None, signed: bool = False) -> Cell | None:
    if figure is None:
        return None
    sign = "+" if signed else ""
    spread = f"{figure.low:{sign}.2g} to {figure.high:{sign}.2g}" if figure.n > 1 else ""
    return Cell(figure.value, f"{figure.value:{sign}.3g}", spread)


def _plot(metric: str, sign: int, names: set[str], figures: Mapping[str, Figure]) -> Plot:
    """Draw one metric of all backbones with its intervals, the best on top."""
    found = {name: figures[f"{name}.{metric}"] for name in names if f"{name}.{metric}" in figures}
    ordered = sorted(found.items(), key=lambda pair: -sign * pair[1].value)
    with canvas(760, 70 + 20 * len(ordered)) as figure:
        axes = figure.add_subplot()
        axes.grid(False, axis="y")
        for place, (name, one) in enumerate(ordered):
            color = MUTED if name.removesuffix("-deep") in _BASELINES else OURS
            axes.plot([one.low, one.high], [place, place], color=color, linewidth=2)
            axes.plot(one.value, place, "o", color=color, markersize=6, clip_on=False)
        axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
        axes.set(ylim=(len(ordered) - 0.5, -0.5), xlabel=metric.replace("_", " "))
        drawing = svg(figure, metric)
    return Plot(drawing, 760, metric.replace("_", " "))
