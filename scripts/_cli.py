"""What the scripts share: flags and YAML into one frozen dataclass, one call, and one line for a user's error."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import errno
import importlib
import io
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from sslctrl import config as configs
from sslctrl.durable import FULL, storage_error
from sslctrl.errors import InputError, Interrupted, SslctrlError, nearest

Config = TypeVar("Config")
_NAMING = ("name", "task", "backbone", "reward", "allow")
"""Fields of configs that may name `package.module:Class`."""

FOOTER = """
--config FILE   values from YAML, as the config.yaml of another run of this script; a flag replaces a whole value;
                your own package.module:Class runs only where a flag names it, too
--debug         the traceback of an error, too

exit code       0 done, 2 bad input, 3 damaged video, 4 damaged checkpoint, 5 disk full or not writable,
                6 stopped (run the same again to go on), 1 a bug
"""


def main(
    config: type | str,
    function: Callable[[Any], Any] | str,
    summary: Callable[[Any], str] | None = None,
    args: Sequence[str] | None = None,
) -> None:
    """Parse a config, call a function on it, print in one line what it returns, and exit.

    Both may be given as `package.module:name`. The function's is imported after parsing, so that `--help` is quick and
    imports no torch: the config is to stand in another module then. summary: makes the line; by default paths, text
    and numbers are printed as they are.
    """
    for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(threads, "1")  # before torch is imported: threads beyond a core each are slower
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait take busy cores from others
    sys.path.append(os.getcwd())  # where a user's own package.module:Class is looked for
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: what was begun is ended in order
    args = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in args
    try:
        with _errors_of_the_disk():
            config_class = _named(config)
            values = None
            with _reader_may_leave():  # of --help
                values = parse(config_class, [arg for arg in args if arg != "--debug"])
            line = "" if values is None else (summary or _said)(_named(function)(values))
        with _reader_may_leave():
            print(line, end="\n" if line else "", flush=True)
    except KeyboardInterrupt:
        _fail(Interrupted("stopped; what was finished is kept; run the same command again to go on"), debug)
    except SslctrlError as error:
        _fail(error, debug)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        _fail(SslctrlError(f"{what}; this is a bug of sslctrl or of your own class; --debug shows where"), debug)


@contextlib.contextmanager
def _reader_may_leave():
    """Do no more where the reader of our output, as `head`, has seen enough."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's last flush meets no error


def _named(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    module, _, member = given.partition(":")
    return getattr(importlib.import_module(module), member)


def _said(result: Any) -> str:
    """Return a path or text as it is, numbers by name, nothing for None."""
    if isinstance(result, dict):
        return ", ".join(f"{name} {_said(value)}" for name, value in result.items())
    return f"{result:.4g}" if isinstance(result, float) else "" if result is None else str(result)


def parse(config_class: type[Config], args: Sequence[str]) -> Config:
    """Return the config that flags say, over the values of `--config` where it is given.

    Raises InputError, one line, for an unknown flag, a value of the wrong type or a required one that is missing, and
    for code of one's own that the file alone names.
    """
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    own.add_argument("--config", type=Path)
    try:
        given, rest = own.parse_known_args(args)
    except argparse.ArgumentError as error:
        raise InputError("--config has no value; allowed is a YAML file; name one") from error
    named = [arg.partition("=")[0].replace("_", "-") for arg in rest]
    many = [flag for flag, kind in _typed_flags(config_class).items() if get_origin(kind) in (dict, tuple, list)]
    if twice := next((flag for flag in many if named.count(flag) > 1), None):  # the last alone would count
        raise InputError(f"{twice} is given twice; allowed is once, with all its values behind it; give it once")
    default: Any = tyro.MISSING_NONPROP  # the other one would make every field required
    if given.config is not None:
        default = configs.load(config_class, given.config, absent=tyro.MISSING)
        for flag, name in _own_classes(default):
            if flag not in named and not {"-h", "--help"} & set(args):
                raise InputError(
                    f"{given.config} names {name}, code of your own, and a file must not choose what runs; allowed is "
                    f"what you name; if you trust it, give {flag} {name}, too"
                )
    refused = io.StringIO()
    try:
        with contextlib.redirect_stderr(refused):
            config, unknown = tyro.cli(
                config_class,
                args=rest,
                default=default,
                description=f"{sys.modules['__main__'].__doc__ or ''}\n{FOOTER}",
                return_unknown_args=True,
                registry=_registry(),
            )
    except SystemExit as error:
        if not error.code:  # --help
            raise
        raise InputError(_one_line(refused.getvalue())) from None
    if unknown:
        close = nearest(unknown[0], flags(config_class))
        raise InputError(f"there is no {unknown[0]!r}; the nearest are {close}; --help lists all")
    return config


def _own_classes(config: Any, inside: str = "--") -> Iterator[tuple[str, str]]:
    """Yield the flags under which a config names `package.module:Class`, and what they say."""
    for field in dataclasses.fields(config):
        flag, value = inside + field.name.replace("_", "-"), getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _own_classes(value, f"{flag}.")
        texts = [text for text in (value if isinstance(value, tuple | list) else [value]) if isinstance(text, str)]
        if field.name in _NAMING and any(":" in text for text in texts):
            yield flag, " ".join(texts)


def flags(config_class: type) -> list[str]:
    """Return every flag of a config class."""
    return list(_typed_flags(config_class))


def _typed_flags(config_class: type, inside: str = "--") -> dict[str, Any]:
    found: dict[str, Any] = {}
    hints = get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        name, kind = inside + field.name.replace("_", "-"), hints[field.name]
        nested = isinstance(kind, type) and dataclasses.is_dataclass(kind)
        found |= _typed_flags(kind, f"{name}.") if nested else {name: kind}
    return found


def _registry() -> ConstructorRegistry:
    """Teach tyro options by name: `--options dim=16 widths=[16,32] loss=triplet`, values as JSON or else as text."""
    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
        if info.type is not dict and get_origin(info.type) is not dict:
            return None
        return PrimitiveConstructorSpec(
            nargs="*",
            metavar="[NAME=VALUE ...]",
            instance_from_str=_pairs,
            is_instance=lambda value: isinstance(value, dict),
            str_from_instance=lambda value: [f"{key}={json.dumps(item)}" for key, item in value.items()],
        )

    return registry


def _pairs(texts: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for name, value in map(_pair, texts):
        if name in pairs:
            raise ValueError(f"{name} given twice; allowed is once")
        pairs[name] = value
    return pairs


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{text!r} given; allowed is NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _one_line(refusal: str) -> str:
    """Return the reason in tyro's box, drawn with lines or, where the terminal knows none, with dashes."""
    title, *lines = [line.strip(" │╭╮╰╯─") for line in refusal.splitlines()] or [""]
    parts = " ".join(line if line.strip("-") else "\n" for line in lines).split("\n")  # between the rules
    reason = " ".join(next((part for part in parts if part.strip()), title).split()).rstrip(".")
    if title == "Required options":
        reason = f"{', '.join(re.findall(r'--[a-z0-9][a-z0-9.-]*', reason))} missing, and no default"
    return f"{reason.removeprefix('Error parsing ')}; --help says what is allowed"


@contextlib.contextmanager
def _errors_of_the_disk():
    try:
        yield
    except OSError as error:
        if error.errno not in (*FULL, errno.EROFS, errno.EACCES):
            raise
        raise storage_error(error, Path(error.filename or "a file")) from error


def _fail(error: SslctrlError, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"error: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
