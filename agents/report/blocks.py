"""What a page is made of. Text in these is plain: the template escapes it; only `Plot.svg` is markup of our own."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup


class Film(NamedTuple):
    """A short video."""

    video: str
    """data URI of an MP4."""
    poster: str
    """data URI of its first frame, PNG."""
    title: str
    caption: str = ""
    good: bool | None = None
    """Whether the episode succeeded; None where that is not the point."""


class Plot(NamedTuple):
    """A drawing."""

    svg: Markup
    width_px: int
    alt: str
    caption: str = ""
    span: tuple[float, float] | None = None
    """Where the time axis begins and ends, as shares of the width: a film beside it moves a cursor there."""


class Table(NamedTuple):
    """Rows of text under a head; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


class Text(NamedTuple):
    """A paragraph."""

    text: str


class Note(NamedTuple):
    """What is missing or damaged, and what to do: one line."""

    text: str


class Source(NamedTuple):
    """A file shown as it is, folded."""

    name: str
    text: str


class Films(NamedTuple):
    """Films side by side."""

    films: tuple[Film, ...]


class Watched(NamedTuple):
    """A film whose time moves a cursor over the plots beside it."""

    film: Film
    plots: tuple[Plot, ...]


class Plots(NamedTuple):
    """Plots side by side."""

    plots: tuple[Plot, ...]


Block = Film | Plot | Table | Text | Note | Source | Films | Watched | Plots


class Section(NamedTuple):
    """A part of the page."""

    id: str
    title: str
    blocks: tuple[Block, ...]

    @property
    def absent(self) -> bool:
        """Whether all that there is to say is what is missing."""
        return all(isinstance(block, Note) for block in self.blocks)

    def kinds(self) -> list[tuple[str, Block]]:
        """Return each block with its kind's name, by which the template chooses how to draw it."""
        return [(type(block).__name__, block) for block in self.blocks]


class Bar(NamedTuple):
    """One line of a tile: a named number, drawn as a share of the tile's largest."""

    label: str
    text: str
    share: float
    ours: bool = False


class Tile(NamedTuple):
    """One key figure, and what it is to be compared with."""

    title: str
    value: str
    interval: str
    bars: tuple[Bar, ...]
    note: str = ""
