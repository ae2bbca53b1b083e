"""Flags and YAML into a config, and errors into one line and an exit code; the function called is this file's own."""

from __future__ import annotations

import errno
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from scripts import _cli
from sslctrl import config as configs
from sslctrl import errors


@dataclass(frozen=True)
class Inner:
    steps: int = 3
    """How many."""
    progress: bool = True


@dataclass(frozen=True)
class Job:
    """A job."""

    out: Path
    """Where to."""
    kind: Literal["a", "b"] = "a"
    size_px: int = 64
    names: tuple[str, ...] = ("x",)
    options: dict[str, Any] = field(default_factory=dict)
    goal: tuple[float, ...] | None = None
    inner: Inner = field(default_factory=Inner)
    two_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Within:
    task: str = ""


@dataclass(frozen=True)
class Own:
    """Of fields that may name code."""

    backbone: str = "a"
    allow: tuple[str, ...] = ()
    camera: str = "usb:0"
    inner: Within = field(default_factory=Within)
    out: Path = Path("c:d")


def fails(config: Job) -> None:
    kind = config.options["kind"]
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "terminate":
        signal.raise_signal(signal.SIGTERM)
    if kind == "full":
        raise OSError(errno.ENOSPC, "No space left on device", "/x/y")
    if kind == "bug":
        raise RuntimeError("two\nlines")
    raise getattr(errors, kind)("what; what is allowed; what to do")


def works(config: Job) -> Path:
    return config.out


def measures(config: Job) -> dict[str, float]:
    return {"error": 0.123456, "episodes": 3}


def run(function: str | Callable[[Job], Any], *args: str, summary: Callable[[Any], str] | None = None) -> int:
    sys.modules.setdefault("test_cli", sys.modules[__name__])
    before = signal.getsignal(signal.SIGTERM)
    try:
        _cli.main(Job, f"test_cli:{function}" if isinstance(function, str) else function, summary, args)
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def test_flags_of_every_kind() -> None:
    args = "--out a/b --kind b --size-px 32 --names p q --goal 0.1 -2 --inner.steps 5 --inner.no-progress"
    options = ["--options", "dim=16", "widths=[16, 32]", "loss=triplet", "augment=false", "lr=1e-3", "text=a=b"]
    assert _cli.parse(Job, [*args.split(), *options]) == Job(
        Path("a/b"),
        "b",
        32,
        ("p", "q"),
        {"dim": 16, "widths": [16, 32], "loss": "triplet", "augment": False, "lr": 1e-3, "text": "a=b"},
        (0.1, -2.0),
        Inner(5, False),
    )


def test_flags_override_yaml_each_as_a_whole(tmp_path: Path) -> None:
    base = Job(Path("a"), "b", 48, ("p", "q"), {"dim": 1, "loss": "x"}, (0.5,), Inner(9, False))
    path = f"{tmp_path}/c.yaml"
    Path(path).write_text(configs.to_yaml(base))
    assert _cli.parse(Job, ["--config", path]) == base
    changed = _cli.parse(Job, ["--inner.steps", "4", "--config", path, "--options", "dim=2", "--goal", "None"])
    assert changed == Job(Path("a"), "b", 48, ("p", "q"), {"dim": 2}, None, Inner(4, False))


def test_a_config_file_may_leave_a_required_field_to_a_flag(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("kind: b\ninner: {steps: 8}")
    assert _cli.parse(Job, ["--config", f"{tmp_path}/c.yaml", "--out", "z"]) == Job(Path("z"), "b", inner=Inner(8))
    with pytest.raises(errors.InputError, match=r"^--out missing"):
        _cli.parse(Job, ["--config", f"{tmp_path}/c.yaml"])


@pytest.mark.parametrize(
    ("said", "flag", "value"),
    [
        ("backbone: mine.nets:Net", "--backbone", "mine.nets:Net"),
        ("backbone: a+mine:Task", "--backbone", "a+mine:Task"),
        ("backbone: 'my-mod:'", "--backbone", "my-mod:"),
        ("backbone: a:b:c", "--backbone", "a:b:c"),
        ("allow: [x, mine:Net]", "--allow", "x mine:Net"),
        ("inner: {task: mine:Net}", "--inner.task", "mine:Net"),
    ],
)
def test_a_config_file_chooses_no_code_of_ones_own(tmp_path: Path, said: str, flag: str, value: str) -> None:
    (tmp_path / "c.yaml").write_text(said)
    with pytest.raises(
        errors.InputError, match=rf"names {re.escape(value)}, code of your own.* give {flag} {re.escape(value)}"
    ):
        _cli.parse(Own, ["--config", f"{tmp_path}/c.yaml"])
    trusted = _cli.parse(Own, ["--config", f"{tmp_path}/c.yaml", flag, *value.split()])
    assert trusted == configs.load(Own, tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("", "--out missing"),
        ("--out", "Missing value for argument '--out'"),
        ("--out a --knid b", "there is no '--knid'; the nearest are --kind,"),
        ("--out a --inner.stpes 3", "there is no '--inner.stpes'; the nearest are --inner.steps,"),
        ("--out a stray", "there is no 'stray'"),
        ("--out a --kind c", "'c'"),
        ("--out a --size-px wide", "--size-px: invalid literal"),
        ("--out a --options dim", "'dim' given; allowed is NAME=VALUE"),
        ("--out a --options dim=2 dim=3", "dim given twice"),
        ("--out a --options dim=2 --options kind=b", "--options is given twice; allowed is once"),
        ("--out a --two-words p --two_words q", "--two-words is given twice; allowed is once"),
        ("--out a --config", "--config has no value"),
        ("--out a --config /nowhere.yaml", "/nowhere.yaml"),
    ],
)
def test_bad_flags_are_one_line_and_exit_code_2(args: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("works", *args.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and message in shown.err
    assert shown.err.startswith("error: ") and shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("InputError", 2, "what is allowed"),
        ("DataError", 3, "what is allowed"),
        ("CheckpointError", 4, "what is allowed"),
        ("StorageError", 5, "what is allowed"),
        ("full", 5, "no room to write /x/y"),
        ("Interrupted", 6, "what is allowed"),
        ("interrupt", 6, "run the same command again"),
        ("terminate", 6, "run the same command again"),
        ("bug", 1, "RuntimeError: two lines; this is a bug"),
    ],
)
def test_every_error_has_its_code_and_one_line(
    kind: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fails", "--out", "a", "--options", f"kind={kind}") == code
    shown = capsys.readouterr().err
    assert message in shown and shown.count("\n") == 1
    assert run("fails", "--out", "a", "--debug", "--options", f"kind={kind}") == code
    assert "Traceback" in capsys.readouterr().err


def test_prints_what_it_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("works", "--out", "a/b") == 0
    assert run("works", "--out", "a/b", summary=lambda path: f"made {path.name}") == 0
    assert run(measures, "--out", "a/b") == 0
    assert capsys.readouterr().out == "a/b\nmade b\nerror 0.1235, episodes 3\n"


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("works", "--help") == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in [*_cli.flags(Job), "--config", "--debug", "Where to.", "How many."])
