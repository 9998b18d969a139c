"""Puts measured tables into the documents that quote them."""

from __future__ import annotations

from pathlib import Path


def replace_section(document: Path, name: str, text: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- end of name -->`. Raises ValueError."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    old = document.read_text("utf-8")
    head, found, rest = old.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{document} has no section {name!r}")
    document.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def read_section(document: Path, name: str) -> str:
    """What stands there. Raises ValueError."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    _, found, rest = document.read_text("utf-8").partition(begin)
    text, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{document} has no section {name!r}")
    return text.strip("\n")
