"""One HTML page about a run, which needs nothing beside it: it opens offline, in light and dark, and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from agents.report import head, sections
from agents.report.blocks import Block, Note, Section
from agents.report.config import ReportConfig
from agents.report.folder import RunFolder
from sslctrl.durable import make_folder
from sslctrl.errors import InputError, SslctrlError
from sslctrl.run import write_atomically

_SECTIONS: tuple[tuple[str, str, Callable[[RunFolder], Iterator[Block]], str], ...] = (
    ("demonstration", "The demonstration", sections.demonstration, "video"),
    ("rollouts", "What the policy does", sections.rollouts, "evaluation"),
    ("evaluation", "Evaluation on the true task", sections.evaluation, "evaluation"),
    ("reward", "Learned reward against true progress", sections.reward, "video"),
    ("alignment", "The same moment in two views", sections.alignment, "embedding"),
    ("distances", "Distances in the embedding", sections.distances, "embedding"),
    ("learning", "How the policy learned", sections.learning, "agent"),
    ("training", "How the embedding learned", sections.training, "embedding"),
    ("details", "The run", sections.figures, ""),
)
"""Each with the part of a run that has to have it: others that lack it are none the worse, and do not say so."""
_LEARNED = (
    ("training", "How it learned", sections.training, "embedding"),
    ("details", "The run", sections.figures, ""),
)
_OF_PRETEXT = (("learned", "What the pretext task learned", sections.pretext, "embedding"), *_LEARNED)
_OF_GRASPS = (("exam", "What it fetches", sections.exam, "embedding"), *_LEARNED)


def write_report(config: ReportConfig) -> Path:
    """Write the page and return its path. What the run lacks is named in the page, with the command that makes it.

    Raises InputError where there is no such folder, StorageError where the page cannot be written.
    """
    folder = RunFolder(config.run, config.allow)
    out = config.out or folder.path / "report.html"
    make_folder(out.parent)
    return write_atomically(out, _page(folder))


def _page(folder: RunFolder) -> str:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    script = _own("page.js")
    parts = _OF_PRETEXT if folder.task else _OF_GRASPS if folder.labels else _SECTIONS
    made = [(Section(id, title, _blocks(make, folder)), part in folder.parts) for id, title, make, part in parts]
    return environment.from_string(_own("page.html")).render(
        title=_or_note(head.title, folder, "A run"),
        sentence=_or_note(head.sentence, folder, ""),
        tiles=_or_note(head.tiles, folder, ()),
        films=_or_note(sections.hero, folder, ()),
        notes=tuple(str(error) for error in _damage(folder)),
        sections=[section for section, _ in made if not section.absent],
        absent=[section for section, due in made if section.absent and due],
        run=str(folder.path),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(_own("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _blocks(make: Callable[[RunFolder], Iterator[Block]], folder: RunFolder) -> tuple[Block, ...]:
    """Return what a section is made of; what came before an error is kept, and the error said."""
    blocks: list[Block] = []
    try:
        blocks.extend(make(folder))  # a list keeps what it got when the iterator raises
    except SslctrlError as error:
        blocks.append(Note(str(error)))
    return tuple(blocks) or (Note("nothing of this was recorded in this run"),)


def _or_note(make: Callable[[RunFolder], Any], folder: RunFolder, otherwise: Any) -> Any:
    try:
        return make(folder)
    except SslctrlError:
        return otherwise  # the section below, or `_damage`, says why


def _damage(folder: RunFolder) -> Iterator[SslctrlError]:
    """Yield what keeps the key figures from being shown, what was passed over, and whose code is not allowed."""
    try:
        head.tiles(folder)
    except SslctrlError as error:
        yield error
    try:
        _ = folder.pretext if folder.task else folder.embedding
    except InputError as error:
        yield error
    except SslctrlError:
        pass  # the section that needs it says so
    yield from folder.damage


def _own(name: str) -> str:
    return resources.files("agents.report").joinpath(name).read_text()
