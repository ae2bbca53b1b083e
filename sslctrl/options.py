"""Options against a constructor's signature: names and types are checked, and text from a command line is coerced."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args, get_type_hints

from sslctrl.errors import InputError, nearest


class Options(NamedTuple):
    """Checked options."""

    passed: dict[str, Any]
    """The caller's, coerced: what the constructor is called with."""
    recorded: dict[str, Any]
    """The same with defaults filled in, as JSON values."""


def check_options(name: str, cls: type, options: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Check options against `cls.__init__`; `given` names the parameters that live objects fill.

    Raises InputError naming the option that is unknown, missing or of the wrong type, and what is allowed.
    """
    parameters = _parameters(cls)
    allowed = {key: parameter for key, parameter in parameters.items() if key not in given}
    if stray := [key for key in given if key not in parameters]:
        raise InputError(
            f"{name!r} takes no {stray[0]!r}; it takes {', '.join(parameters) or 'nothing'}; add it to __init__"
        )
    for key in options:
        if key not in allowed:
            raise InputError(
                f"{name!r} has no option {key!r}; allowed are {nearest(key, allowed, len(allowed))}; change the name"
            )
    if missing := [key for key, item in allowed.items() if item.default is item.empty and key not in options]:
        raise InputError(f"{name!r} needs the option {missing[0]!r}; allowed are {', '.join(allowed)}; give it a value")
    passed = {key: _coerce(name, key, value, _hint(cls, allowed[key])) for key, value in options.items()}
    everything = {key: passed.get(key, item.default) for key, item in allowed.items()}
    if odd := [key for key, value in passed.items() if not _is_plain(value)]:
        raise InputError(
            f"option {odd[0]!r} of {name!r} is {passed[odd[0]]!r}, which no file can hold; allowed are numbers, text, "
            "paths, lists, and dicts whose keys are text, of these; change the value"
        )
    recorded = {key: _plain(value) for key, value in everything.items() if _is_plain(value)}
    return Options(passed, recorded)


def asked_by(cls: type, given: Collection[str] = ()) -> dict[str, tuple[str, Any]]:
    """Return the type, as text, and the default of each option of a class, those that live objects fill left out; of
    one that must be given, the default is `inspect.Parameter.empty`.
    """
    taken = {key: item for key, item in _parameters(cls).items() if key not in given}
    return {key: (_said(_hint(cls, item)), item.default) for key, item in taken.items()}


def _parameters(cls: type) -> dict[str, inspect.Parameter]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {key: item for key, item in inspect.signature(cls).parameters.items() if item.kind in named}


def _hint(cls: type, parameter: inspect.Parameter) -> Any:
    """Return the type of one parameter; the others' annotations may name what only a type checker imports."""
    if parameter.annotation is parameter.empty:
        return Any
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    try:
        return get_type_hints(alone, getattr(cls.__init__, "__globals__", {}), include_extras=True)[parameter.name]
    except NameError:  # imported for type checkers only, so a live object's type: nothing here to check against
        return Any


def _coerce(name: str, key: str, value: Any, hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError  # 0.2 s that listing names must not pay

    config = ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True, coerce_numbers_to_str=True)
    adapter = TypeAdapter(hint, config=config)
    attempts = [lambda: adapter.validate_python(value)]
    if isinstance(value, str):  # "[16, 32]", "16,32" or "[front, left]" from a command line
        inside = value[1:-1] if value.startswith("[") and value.endswith("]") else value
        listed = [item.strip().strip("'\"") for item in inside.split(",")]
        attempts += [lambda: adapter.validate_json(value), lambda: adapter.validate_python(listed)]
    reason = ""
    for attempt in attempts:
        try:
            return attempt()
        except ValidationError as error:
            reason = reason or error.errors()[0]["msg"]
    raise InputError(f"option {key!r} of {name!r} is {value!r}; allowed is {_said(hint)}: {reason}; change the value")


def _said(hint: Any) -> str:
    plain = isinstance(hint, type) and not get_args(hint)
    return hint.__name__ if plain else str(hint).replace("typing.", "")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float | str | Path)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
