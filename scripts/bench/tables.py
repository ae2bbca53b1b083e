"""Write the pages' tables of figures anew from results/*.json; `--check` only says whether they are up to date.

A table stands between `<!-- figures NAME -->`, optionally with the keys to show: `<!-- figures NAME KEY KEY -->`, and
`<!-- /figures -->`; it comes from `results/NAME.json`. `<!-- figures NAME by METRIC METRIC -->` shows what has all of
these, `<what>.<metric>`, a row each, those first that have most of the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts._cli import main
from scripts.bench import control, image_pretext, speed, video_pretext
from scripts.bench._compare_config import QUESTIONS
from scripts.bench._figures import Origin, fields_of, figure_of, load, origin_of
from scripts.bench._intervals import Figure
from scripts.bench._verdicts import Goal, verdict
from sslctrl.errors import DataError, InputError, StorageError, nearest
from sslctrl.run import write_atomically

_TABLE = re.compile(r"(<!-- figures (?P<name>[\w-]+)(?P<keys>[^>]*?) -->\n)(?P<body>.*?)(<!-- /figures -->)", re.DOTALL)
GOALS: dict[str, dict[str, Goal]] = {
    "control": control.GOALS, "control-stretch": control.GOALS, "image_pretext": image_pretext.GOALS,
    "speed": speed.GOALS, "video_pretext": video_pretext.GOALS,
}  # fmt: skip
"""What is asked of the figures of each file."""
_BY = "by"
_OPENING, _CLOSING = "<!-- figures ", "<!-- /figures -->"


@dataclass(frozen=True)
class TablesConfig:
    """Which files to write, and from what."""

    pages: tuple[Path, ...] = (Path("README.md"), Path("docs/figures.md"))
    """The files with the markers."""
    results: Path = Path("results")
    """The folder of the figures."""
    check: bool = False
    """Change nothing; exit code 3 where a table is out of date."""


def update(config: TablesConfig) -> bool:
    """Write the tables and return whether any changed. Raises DataError for missing or, to check, stale figures."""
    pages = {page: _read(page) for page in config.pages}
    new = {page: filled(page, text, config.results) for page, text in pages.items()}
    stale = [page for page in pages if new[page] != pages[page]]
    if stale and config.check:
        names = ", ".join(map(str, stale))
        raise DataError(f"what {config.results} says is not shown by {names}; run scripts/bench/tables.py")
    for page in stale:
        write_atomically(page, new[page])
    return bool(stale)


def _read(page: Path) -> str:
    try:
        return page.read_text()
    except OSError as error:
        raise StorageError(f"cannot read {page} ({error.strerror}); give the file with the tables") from error


def filled(page: Path, text: str, results: Path) -> str:
    """Return a page's text, all tables made anew. Raises InputError for a lone marker, DataError for lost figures."""
    tables = len(_TABLE.findall(text))
    if tables != text.count(_OPENING) or tables != text.count(_CLOSING):
        allowed = f"{_OPENING}NAME --> ... {_CLOSING}"
        raise InputError(f"a marker of {page} lacks its partner; allowed is {allowed}; close each table")

    def anew(found: re.Match[str]) -> str:
        return found[1] + table(results / f"{found['name']}.json", found["keys"].split()) + found[5]

    return _TABLE.sub(anew, text)


def table(path: Path, keys: list[str]) -> str:
    """Return the Markdown table of a file's figures, all, those of `keys` or, after `by`, of these metrics, and where
    they are from.
    """
    content = load(path)
    if keys[:1] == [_BY]:
        return _board(path, content, keys[1:])
    figures = {name: figure_of(fields) for name, fields in content["figures"].items()}
    if missing := [key for key in keys if key not in figures]:
        close = nearest(missing[0], figures)
        raise DataError(
            f"{path} has no {', '.join(missing)}; the nearest are {close}; mend the marker, or run its bench"
        )
    goals = GOALS.get(path.stem, {})
    rows = [row(name, figures[name], goals) for name in keys or figures]
    asked, line = (" asked |", "---|") if goals else ("", "")
    head = [f"| figure | value | range |{asked} unit | n |", f"|---|---:|---:|{line}---|---:|"]
    return "\n".join([*head, *rows, "", _source(content, keys or list(figures)), ""])


def _board(path: Path, content: Mapping[str, Any], metrics: list[str]) -> str:
    """Return the table of all that have these metrics, and where they are from."""
    figures = {name: figure_of(fields) for name, fields in content["figures"].items()}
    names = dict.fromkeys(name.rpartition(".")[0] for name in figures if name.rpartition(".")[0] not in QUESTIONS)
    rows = {name: [figures.get(f"{name}.{metric}") for metric in metrics] for name in names}
    whole = {name: [one for one in row if one is not None] for name, row in rows.items() if None not in row}
    if not whole or not metrics:
        raise DataError(f"nothing in {path} has all of {', '.join(metrics)}; mend the marker, or run the bench")
    lines = [
        f"| `{name}` | {' | '.join(_with_range(one) for one in row)} |"
        for name, row in sorted(whole.items(), key=lambda item: -item[1][0].value)
    ]
    head = [f"| | {' | '.join(f'`{metric}`' for metric in metrics)} |", f"|---|{'---:|' * len(metrics)}"]
    shown = [f"{name}.{metric}" for name in whole for metric in metrics]
    return "\n".join([*head, *lines, "", _source(content, shown), ""])


def _with_range(figure: Figure) -> str:
    spread = f" ({short(figure.low)} to {short(figure.high)})" if figure.n > 1 else ""
    return f"{short(figure.value)}{spread}"


def _source(content: Mapping[str, Any], names: list[str]) -> str:
    """Say by which command, at which commits, when and where these figures were made."""
    commits, machines = Origin.joined(origin_of(name, content) for name in names)
    commands = dict.fromkeys(fields_of(name, content)["command"] for name in names)
    return f"`{'`, `'.join(commands)}` at `{commits}`, last added to on {content['date'][:10]}, on {machines}"


def row(name: str, figure: Figure, goals: Mapping[str, Goal]) -> str:
    """Return one figure's row, to three digits; where its file has goals, with what is asked of it."""
    spread = f"{short(figure.low)} to {short(figure.high)}"
    asked = f" {verdict(figure, goals[name]) if name in goals else ''} |" * bool(goals)
    return f"| `{name}` | {short(figure.value)} | {spread} |{asked} {figure.unit} | {figure.n} |"


def short(value: float) -> str:
    """Return a number to three digits, without exponents for what a reader can read: 0.0123, 1.23, 12.3, 123, 12300."""
    return f"{float(f'{value:.3g}'):.10g}"


def summary(changed: bool) -> str:
    """Say what was done."""
    return "tables written anew" if changed else "tables are up to date"


if __name__ == "__main__":
    main(TablesConfig, "scripts.bench.tables:update", summary)
