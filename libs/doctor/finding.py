"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and somebody should look at it."""
    ERROR = "error"
    """It does not work, or soon will not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result."""

    check: str
    """What was looked at: `settings`, `certificate`, `disk` ..."""
    level: Level
    message: str
    """What there is."""
    advice: str = ""
    """What to do about it; empty when it is well."""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """Worth a look."""
    return Finding(check, Level.WARNING, message, advice)


def error(check: str, message: str, advice: str) -> Finding:
    """To be mended."""
    return Finding(check, Level.ERROR, message, advice)
