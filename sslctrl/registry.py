"""Names for classes: a folder's files are its names, and `package.module:Class` is anybody's own."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslctrl.errors import InputError, nearest
from sslctrl.options import check_options


@dataclass(frozen=True)
class Spec:
    """What an object was built from: enough, with its weights, to build it again."""

    name: str
    """A registry's name or `package.module:Class`."""
    options: dict[str, Any] = field(default_factory=dict)
    """JSON values only, defaults filled in, so that a later change of a default changes no saved object."""


class Registry:
    """The classes of one interface, one file each, found by listing a folder; a file is imported when asked for."""

    def __init__(self, package: str, interface: type | str) -> None:
        """Take the package whose files are the names, and the interface (or `module:Class`, imported when needed)."""
        self.package = package
        self._interface = interface

    @property
    def interface(self) -> type:
        """The class or Protocol that every member fulfils."""
        if isinstance(self._interface, str):
            module, _, name = self._interface.partition(":")
            return getattr(importlib.import_module(module), name)
        return self._interface

    def names(self) -> tuple[str, ...]:
        """Return the names, sorted, without importing any of the files."""
        spec = importlib.util.find_spec(self.package)
        folders = (spec.submodule_search_locations if spec else None) or []
        stems = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
        return tuple(sorted(stem for stem in stems if stem != "base" and not stem.startswith("_")))

    def get(self, name: str, allow: Collection[str] | None = None) -> type:
        """Return the class of that name.

        `allow`, where given, lists the only `package.module:Class` names that may be imported: a file read from disk
        must not choose what code runs. Raises InputError for an unknown name (with the nearest three) or a refused one.
        """
        if ":" in name:
            if allow is not None:
                check_allowed([name], allow)
            return self._own(name)
        if name not in self.names():
            raise InputError(
                f"{name!r} is not in {self.package}; the nearest are {nearest(name, self.names())}; "
                "choose one, or name your own class as package.module:Class"
            )
        return self._member(name)

    def build(
        self, name: str, options: Mapping[str, Any], allow: Collection[str] | None = None, /, **given: Any
    ) -> Any:
        """Build the named class from options, checked against `__init__` and coerced, and from `given` live objects.

        The instance gets `.spec`. Raises InputError naming the option that is unknown, missing or of the wrong type.
        """
        cls = self.get(name, allow)
        values = check_options(name, cls, options, given)
        built = cls(**values.passed, **given)
        object.__setattr__(built, "spec", Spec(name, values.recorded))  # rewards may be frozen dataclasses
        return built

    def _member(self, name: str) -> type:
        module = importlib.import_module(f"{self.package}.{name}")
        found = [
            value
            for key, value in vars(module).items()
            if not key.startswith("_")
            and inspect.isclass(value)
            and value.__module__ == module.__name__
            and fulfils(value, self.interface)
        ]
        found = [value for value in found if not inspect.isabstract(value)] or found
        if len(found) != 1:
            raise InputError(
                f"{module.__file__} defines {len(found)} public classes that are a {self.interface.__name__}"
                f"{''.join(' ' + cls.__name__ for cls in found)}; allowed is exactly one; begin other names with _"
            )
        _refuse_abstract(found[0], module.__file__ or name)
        return found[0]

    def _own(self, name: str) -> type:
        module_name, _, class_name = name.partition(":")
        try:
            cls = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise InputError(
                f"cannot import {name!r} ({error}); allowed is package.module:Class of a module on the Python path; "
                f"check both halves, or use one of {', '.join(self.names())}"
            ) from error
        _refuse_abstract(cls, name)
        if not inspect.isclass(cls) or not fulfils(cls, self.interface):
            raise InputError(
                f"{name!r} is not a {self.interface.__name__}; allowed is a concrete class of "
                f"{self.interface.__module__}.{self.interface.__name__}; derive from it or implement its methods"
            )
        return cls


def check_allowed(names: Sequence[str], allow: Collection[str]) -> None:
    """Raise InputError naming all `package.module:Class` among some names, where one of them is not allowed."""
    own = [name for name in names if ":" in name]
    if refused := [name for name in own if isinstance(allow, str) or name not in allow]:
        raise InputError(
            f"{', '.join(map(repr, refused))} is code of your own, and a file must not choose what runs; allowed is "
            f"what you name; if you trust it, give --allow {' '.join(own)}, in Python allow={own}"
        )


def _refuse_abstract(cls: Any, name: str) -> None:
    if inspect.isabstract(cls):
        raise InputError(f"{name} lacks {', '.join(sorted(cls.__abstractmethods__))}; implement what is missing")


def fulfils(cls: type, interface: type) -> bool:
    """Tell whether a class is of the interface: a subclass, or for a Protocol one that has its methods."""
    if not getattr(interface, "_is_protocol", False):
        return issubclass(cls, interface)
    own = {"__init__", "__subclasshook__"}  # every Protocol class is given these two
    wanted = [key for key, value in vars(interface).items() if inspect.isfunction(value) and key not in own]
    return all(inspect.isfunction(getattr(cls, key, None)) for key in wanted)
