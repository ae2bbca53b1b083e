from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslctrl import config as configs
from sslctrl.errors import InputError
from sslctrl.fit_config import FitConfig


@dataclass(frozen=True)
class Whole:
    out: Path
    kind: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ("x",)
    goal: tuple[float, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    init: Path | None = None
    fit: FitConfig = field(default_factory=FitConfig)


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
configurations = st.builds(
    Whole,
    out=st.text("ab/.~ :#'", min_size=1).map(Path),
    kind=st.sampled_from(["a", "b"]),
    names=st.lists(st.text()).map(tuple),
    goal=st.none() | st.lists(st.floats(allow_nan=False)).map(tuple),
    options=st.dictionaries(st.text(), st.recursive(plain, st.lists, max_leaves=5)),
    init=st.none() | st.just(Path("runs/x")),
    fit=st.builds(FitConfig, steps=st.integers(1), lr=st.floats(1e-12, 1e3), device=st.sampled_from(["cpu", "auto"])),
)


@settings(max_examples=40, deadline=None)
@given(config=configurations)
def test_yaml_round_trip_is_identical(config: Whole, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(configs.to_yaml(config))
    assert configs.load(Whole, path) == config


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return path


def test_absent_fields_have_their_defaults_and_text_is_coerced(tmp_path: Path) -> None:
    config = configs.load(Whole, written(tmp_path, "out: a\nfit: {lr: 1e-3, steps: 7}\nnames: [p, q]"))
    assert config == Whole(Path("a"), names=("p", "q"), fit=FitConfig(steps=7, lr=1e-3))  # YAML says 1e-3 is text


def test_a_required_field_may_be_left_to_a_flag(tmp_path: Path) -> None:
    hole = object()
    config = configs.load(Whole, written(tmp_path, "kind: b"), absent=hole)
    assert config.out is hole and config.kind == "b" and config.fit == FitConfig()


@dataclass(frozen=True)
class Checked:
    part: Whole
    parts: int = 1

    def __post_init__(self) -> None:
        if self.part.kind != "a" and self.parts < 2:
            raise InputError("of another kind are two or more")


def test_a_draft_is_checked_when_the_flags_are_there(tmp_path: Path) -> None:
    hole = object()
    draft = configs.load(Checked, written(tmp_path, "part: {kind: b}"), absent=hole)
    assert draft.part.out is hole and draft.part.kind == "b" and draft.parts == 1
    assert configs.load(Checked, written(tmp_path, ""), absent=hole).part.out is hole
    with pytest.raises(InputError, match="two or more"):
        configs.load(Checked, written(tmp_path, "part: {kind: b, out: a}"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out: a\nnmaes: [x]", "there is no nmaes; the nearest are names,"),
        ("out: a\nfit: {stpes: 3}", r"there is no fit\.stpes; the nearest are steps,"),
        ("out: a\nfit: {steps: many}", r"fit\.steps is 'many'; allowed is int"),
        ("out: a\nfit: {steps: 0}", "steps is 0; allowed is 1 or more"),
        ("out: a\nfit: 3", "fit is 3"),
        ("out: a\nkind: c", "kind is 'c'; allowed is Literal"),
        ("kind: b", "out is missing"),
        ("", "out is missing"),
        ("- a", "allowed is `key: value` a line"),
        ("out: [", "is not YAML"),
        ("out: 2025-02-30", "is not YAML .day is out of range"),
        ("out: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_bad_files_are_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        configs.load(Whole, written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        configs.load(Whole, tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="cannot read"):
        configs.load(Whole, tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        configs.load(Whole, tmp_path / "binary")


def test_values_that_yaml_does_not_know_are_refused() -> None:
    with pytest.raises(InputError, match="is a set"):
        configs.to_yaml(Whole(Path("a"), options={"x": {1, 2}}))
