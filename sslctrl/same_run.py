"""Whether a folder's run is the one that is asked to go on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from sslctrl.errors import InputError

_SHOWN = 12
"""Digits of a hash: all of them say no more."""


def agree(run: Path, was: Mapping[str, Any], now: Mapping[str, Any], free: Collection[str] = ()) -> None:
    """Raise InputError naming the first setting in which the run was started otherwise than it is asked to go on.

    free: names, dotted where nested, that may differ.
    """
    for name, old, new in differences(was, now):
        if any(name == allowed or name.startswith(f"{allowed}.") for allowed in free):
            continue
        if name == "dataset" and old and new:
            raise InputError(
                f"{run} was started with other video (its hash was {old[:_SHOWN]}, and is {new[:_SHOWN]}); allowed are "
                "the same episodes, byte for byte; give those, or another run folder"
            )
        raise InputError(
            f"{run} was started with {name} = {old}, and is asked to go on with {new}; "
            "allowed is the same; give another run folder, or the old value"
        )


def differences(was: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted name and both values of everything in which two plain configs differ."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in {**was, **now}:
            yield from differences(was.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif was != now:
        yield name, was, now
