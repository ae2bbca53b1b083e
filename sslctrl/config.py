"""Frozen dataclasses as YAML: what `to_yaml` writes, `load` gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml

from sslctrl.errors import InputError, nearest

Config = TypeVar("Config")


def load(cls: type[Config], path: str | Path, absent: Any = MISSING) -> Config:
    """Read a config of a class from YAML; fields that the file does not name have their defaults.

    A field without a default must be named, unless `absent` says what shall stand there: it then is a draft, which the
    class itself has not checked. Raises InputError naming the file and the key that is unknown, missing or of the wrong
    type.
    """
    return from_plain(cls, load_plain(path), str(path), absent)


def load_plain(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of `key: value` lines, unchecked. Raises InputError where it is not one."""
    try:
        values = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the config {path} ({reason}); give a YAML file") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of the 30th of February
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not YAML ({reason}); allowed is `key: value` a line; mend it") from error
    if values is not None and not isinstance(values, dict):
        raise InputError(f"{path} holds {values!r:.60}; allowed is `key: value` a line; mend it")
    return values or {}


def to_yaml(config: Any) -> str:
    """Return a config as YAML, fields in the order of the class."""
    return yaml.safe_dump(to_plain(config), sort_keys=False, allow_unicode=False)


def to_plain(value: Any) -> Any:
    """Return a config as what YAML and JSON know: dicts, lists, text, numbers, true, false and null.

    Raises InputError for a value that is none of these, nor a dataclass, Path, list, tuple or dict of them.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"{value!r} is a {type(value).__name__}; allowed are numbers, text, paths, lists and dicts; change it"
    )


def from_plain(cls: type[Config], values: Any, source: str, absent: Any = MISSING, inside: str = "") -> Config:
    """Build a config from what `to_plain` gives; `source` is named in errors, and `absent` is as in `load`."""
    if not isinstance(values, Mapping):
        place = inside.rstrip(".") or "it"
        raise InputError(f"{source}: {place} is {values!r}; allowed is `key: value` a line; mend it")
    hints = get_type_hints(cls, include_extras=True)
    known = {field.name: field for field in fields(cls) if field.init}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise InputError(
                f"{source}: there is no {inside}{key}; the nearest are {nearest(str(key), known)}; change the key"
            )
    built = {}
    for name, field in known.items():
        if name in values:
            built[name] = _typed(hints[name], values[name], source, absent, inside + name)
        elif field.default is MISSING and field.default_factory is MISSING:
            if absent is MISSING:
                raise InputError(f"{source}: {inside}{name} is missing, and has no default; add `{name}: ...`")
            nested = _nested(hints[name])
            built[name] = absent if nested is None else from_plain(nested, {}, source, absent, f"{inside}{name}.")
    return cls(**built) if absent is MISSING else _draft(cls, built)


def _draft(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Return a config that its own class has not checked, with defaults where no value is given."""
    draft = object.__new__(cls)
    for field in fields(cls):  # type: ignore[arg-type]
        default = field.default if field.default_factory is MISSING else field.default_factory()
        object.__setattr__(draft, field.name, values.get(field.name, default))
    return draft


def _nested(hint: Any) -> type | None:
    """Return the dataclass that a field holds, if it holds one."""
    return next((kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)), None)


def _typed(hint: Any, value: Any, source: str, absent: Any, name: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError  # 0.2 s that only a config file costs

    nested = _nested(hint)
    if nested is not None and isinstance(value, Mapping):
        return from_plain(nested, value, source, absent, f"{name}.")
    adapter = TypeAdapter(hint, config=None if nested else ConfigDict(coerce_numbers_to_str=True))
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        kind = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
        reason = error.errors()[0]["msg"]
        raise InputError(f"{source}: {name} is {value!r}; allowed is {kind}: {reason}; change it") from error
