from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslctrl.errors import InputError
from sslctrl.registry import Registry, Spec

BASE = """
from abc import ABC, abstractmethod
from typing import Protocol

class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...

class Score(Protocol):
    def __call__(self, x: float) -> float: ...
"""
SQUARE = """
from __future__ import annotations
from pathlib import Path
from typing import TYPE_CHECKING
from .base import Shape
if TYPE_CHECKING:
    from paints import Paint

class Helper: ...
class _Square(Shape):
    def area(self) -> float: return 0.0
class Square(_Square):
    def __init__(self, side: float = 1.0, tags: tuple[str, ...] = (), sizes: list[int] | None = None, holes: int = 0,
                 open: bool = False, where: Path | None = None, more: dict | None = None, *, paint: Paint | None = None
                 ) -> None:
        self.where, self.more = where, more
        self.side, self.tags, self.sizes, self.holes, self.open, self.paint = side, tags, sizes, holes, open, paint
    def area(self) -> float: return self.side**2
"""
SCORES = """
from dataclasses import dataclass
@dataclass(frozen=True)
class Scaled:
    scale: float
    def __call__(self, x: float) -> float: return x * self.scale
@dataclass
class Settings:
    scale: float
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "shapebox"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "base": BASE,
        "_private": "",
        "square": SQUARE,
        "scores": SCORES,
        "breaks": "raise RuntimeError('was imported')",
        "none": "x = 1",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] == "shapebox"]:
        del sys.modules[name]


@pytest.fixture
def shapes(package: Path) -> Registry:
    return Registry("shapebox", "shapebox.base:Shape")


def test_names_are_the_files_and_nothing_is_imported(shapes: Registry, package: Path) -> None:
    assert shapes.names() == ("breaks", "none", "scores", "square")
    assert not any(name.startswith("shapebox.") for name in sys.modules)
    (package / "round.py").write_text(SQUARE)
    assert shapes.get("round").__name__ == "Square"


def test_unknown_name_gets_the_nearest_three(shapes: Registry) -> None:
    with pytest.raises(InputError, match="'sqare' is not in shapebox; the nearest are square, ") as caught:
        shapes.get("sqare")
    assert str(caught.value).split("nearest are ")[1].split(";")[0].count(",") == 2
    for hidden in ("base", "_private", "../square", "__init__"):
        with pytest.raises(InputError, match="is not in shapebox"):
            shapes.get(hidden)


def test_build_coerces_and_records_what_was_built(shapes: Registry) -> None:
    built = shapes.build("square", {"side": "0.2", "tags": "a,b", "sizes": "[16, 32]", "holes": "3", "open": "true"})
    assert (built.side, built.tags, built.sizes, built.holes, built.open) == (0.2, ("a", "b"), [16, 32], 3, True)
    options = {"side": 0.2, "tags": ["a", "b"], "sizes": [16, 32], "holes": 3, "open": True, "paint": None}
    options |= {"where": None, "more": None}
    assert built.spec == Spec("square", options)
    for text in ("[a, b]", "['a','b']"):  # as numbers are written, too
        assert shapes.build("square", {"side": 1, "tags": text}).tags == ("a", "b")
    assert shapes.build("square", {"side": 1, "tags": [1, 2]}).tags == ("1", "2")  # cameras of films 1.mp4, 2.mp4
    again = shapes.build("square", built.spec.options)
    assert again.spec == built.spec
    paint = object()
    live = shapes.build("square", {}, paint=paint)
    assert live.paint is paint
    assert "paint" not in live.spec.options


def test_paths_and_dicts_are_recorded_and_build_the_same_again(shapes: Registry) -> None:
    built = shapes.build("square", {"where": Path("a/b"), "more": {"gain": 5, "of": [1, {"x": None}]}})
    assert (built.where, built.more) == (Path("a/b"), {"gain": 5, "of": [1, {"x": None}]})
    again = shapes.build("square", json.loads(json.dumps(built.spec.options)))
    assert (again.where, again.more, again.spec) == (built.where, built.more, built.spec)
    assert shapes.build("square", {"more": {"in": [Path("a")]}}).spec.options["more"] == {"in": ["a"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"more": {"net": object()}}, "option 'more' of 'square' is .*, which no file can hold; allowed are numbers"),
        ({"paint": object()}, "option 'paint' of 'square' is .*, which no file can hold"),
        ({"sied": 1}, "'square' has no option 'sied'; allowed are side, "),
        ({"side": "wide"}, "option 'side' of 'square' is 'wide'; allowed is float"),
        ({"side": float("nan")}, "option 'side' of 'square' is nan; allowed is float"),
        ({"holes": 1.5}, "option 'holes' of 'square' is 1.5; allowed is int"),
        ({"sizes": "a,b"}, r"option 'sizes' of 'square' is 'a,b'; allowed is list\[int\]"),
    ],
)
def test_wrong_options_are_named(shapes: Registry, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        shapes.build("square", options)
    assert "\n" not in str(caught.value)


def test_a_live_object_cannot_be_an_option_or_unknown(shapes: Registry) -> None:
    with pytest.raises(InputError, match="has no option 'paint'"):
        shapes.build("square", {"paint": 1}, paint=object())
    with pytest.raises(InputError, match="takes no 'backbone'"):
        shapes.build("square", {}, backbone=object())


def test_a_file_needs_exactly_one_class(shapes: Registry, package: Path) -> None:
    with pytest.raises(InputError, match=r"none.py defines 0 public classes that are a Shape"):
        shapes.get("none")
    (package / "two.py").write_text(SQUARE + "\nclass Other(Square): ...\n")
    (package / "half.py").write_text("from shapebox.base import Shape\nclass Half(Shape): ...\n")
    with pytest.raises(InputError, match=r"half.py lacks area; implement what is missing"):
        shapes.get("half")
    with pytest.raises(InputError, match=r"two.py defines 2 public classes .* Square Other; allowed is exactly one"):
        shapes.get("two")


def test_anyones_own_class(shapes: Registry) -> None:
    built = shapes.build("shapebox.square:Square", {"side": 3})
    assert built.area() == 9
    assert built.spec.name == "shapebox.square:Square"
    for name, message in {
        "shapebox.square:Helper": "is not a Shape",
        "shapebox.base:Shape": "lacks area; implement what is missing",
        "shapebox.square:Nothing": "cannot import",
        "no.such:Thing": "cannot import",
        ".square:Square": "cannot import",
        ":": "cannot import",
    }.items():
        with pytest.raises(InputError, match=message):
            shapes.get(name)


def test_a_file_from_disk_chooses_no_code(shapes: Registry) -> None:
    for allow in ((), "shapebox.breaks:XY"):  # of text, every part would be in it
        with pytest.raises(InputError, match=r"is code of your own.*allow=\['shapebox.breaks:X'\]"):
            shapes.get("shapebox.breaks:X", allow=allow)
    assert "shapebox.breaks" not in sys.modules
    assert shapes.get("shapebox.square:Square", allow=["shapebox.square:Square"]).__name__ == "Square"
    with pytest.raises(InputError, match="is code of your own"):
        shapes.build("shapebox.square:Square", {}, ())
    assert shapes.build("square", {}, ()).side == 1.0


def test_protocols_are_met_by_methods(package: Path) -> None:
    scores = Registry("shapebox", "shapebox.base:Score")
    built = scores.build("scores", {"scale": "2"})
    assert built(1.5) == 3.0
    assert built.spec == Spec("scores", {"scale": 2.0})
    with pytest.raises(InputError, match="needs the option 'scale'"):
        scores.build("scores", {})
    with pytest.raises(InputError, match="Settings' is not a Score"):
        scores.get("shapebox.scores:Settings")
