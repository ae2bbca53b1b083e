"""Drawings that follow the page's colours: matplotlib draws in stand-in colours, which become CSS variables."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

INK, MUTED, GRID = "#010203", "#010204", "#010205"
OURS, OTHER, THIRD, SURFACE = "#010206", "#010207", "#010208", "#010209"
_VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", OURS: "var(--ours)", OTHER: "var(--other)",
    THIRD: "var(--third)", SURFACE: "var(--surface)",
}  # fmt: skip
PX_PER_INCH = 100  # at which 9 pt text is as large as the page's small text
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "text.parse_math": False,  # a dollar in somebody's camera name is a dollar
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


@contextmanager
def canvas(width_px: int, height_px: int) -> Iterator[Figure]:
    """A figure to draw on, in the page's style; `svg` it inside the block."""
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width_px / PX_PER_INCH, height_px / PX_PER_INCH), layout="constrained")


def svg(figure: Figure, name: str) -> Markup:
    """Return the drawing as inline SVG. `name` keeps its ids apart from those of other drawings on the page."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    ids = {found: f"{name}-{i}" for i, found in enumerate(re.findall(r' id="([^"]+)"', text))}
    text = re.sub(r' id="([^"]+)"', lambda match: f' id="{ids[match[1]]}"', text)
    text = re.sub(r'(href="#|url\(#)([^")]+)', lambda match: match[1] + ids.get(match[2], match[2]), text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    return Markup(text)
