"""Errors a user can act on. Each message is one line: what was given; what is allowed; what to do."""

from __future__ import annotations

import difflib
import tokenize
from collections.abc import Collection, Iterable


class SslctrlError(Exception):
    """Any error that is the user's to mend; scripts print its one line and exit with `exit_code`."""

    exit_code = 1


class InputError(SslctrlError):
    """A name, shape, option or action that is not allowed."""

    exit_code = 2


class DataError(SslctrlError):
    """A video store that is missing, damaged or of another kind."""

    exit_code = 3


class CheckpointError(SslctrlError):
    """A checkpoint that is missing, damaged or of another kind."""

    exit_code = 4


class StorageError(SslctrlError):
    """A disk that is full or a folder that cannot be written."""

    exit_code = 5


class Interrupted(SslctrlError):
    """A run that was stopped from outside; the message says what was saved and how to resume."""

    exit_code = 6


UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, ArithmeticError, RuntimeError, SyntaxError,
    tokenize.TokenError,
)  # fmt: skip
"""What readers of .npy and JSON raise, depending on which byte is damaged: NumPy parses its header as Python does."""


def check_least(least: float, **values: float) -> None:
    """Raise InputError for a value, given by its name, below the least one, or nan."""
    for name, value in values.items():
        if not value >= least:
            raise InputError(f"{name} is {value}; allowed is {least} or more; change it")


def check_among(allowed: Collection[str], **values: object) -> None:
    """Raise InputError for a value, given by its name, that is not among the allowed ones."""
    for name, value in values.items():
        if value not in tuple(allowed):
            raise InputError(f"{name} is {value!r}; allowed are {', '.join(allowed)}; choose one of them")


def nearest(word: str, allowed: Iterable[str], count: int = 3) -> str:
    """Return the allowed words that are most like `word`, nearest first, as text."""
    ranked = sorted(allowed, key=lambda other: -difflib.SequenceMatcher(None, word, other).ratio())
    return ", ".join(ranked[:count]) or "none"
