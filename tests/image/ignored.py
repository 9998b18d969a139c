"""Which files of the project an image may be made from, by .dockerignore."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def rules(text: str) -> list[str]:
    """The patterns of a .dockerignore."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def is_ignored(path: str, patterns: Sequence[str]) -> bool:
    """Whether the last pattern that matches a file, or a folder above it, excludes it."""
    ignored = False
    names = [path, *(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")]
    for pattern in patterns:
        if any(_matches(name, pattern.removeprefix("!")) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def context(folder: Path) -> list[Path]:
    """The files below `folder` that a build sees, relative to it."""
    patterns = rules((folder / ".dockerignore").read_text())
    tops = [top for top in folder.iterdir() if not is_ignored(top.name, patterns)]
    files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()]
    return sorted(
        relative for file in files if not is_ignored(str(relative := file.relative_to(folder)), patterns)
    )


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(name.rpartition("/")[2], pattern[3:])
    return "/" not in name and fnmatch.fnmatchcase(name, pattern) if "/" not in pattern else name == pattern
