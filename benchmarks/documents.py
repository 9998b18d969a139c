"""Puts what is measured, or made from code, into the documents that quote it."""

from __future__ import annotations

from pathlib import Path


def replace_section(document: Path, name: str, text: str) -> None:
    """Writes the document anew with this section; see `with_section`."""
    document.write_text(with_section(document.read_text("utf-8"), name, text), "utf-8")


def with_section(document: str, name: str, text: str) -> str:
    """The document with `text` between `<!-- name -->` and `<!-- end of name -->`. Raises ValueError."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, found, rest = document.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the document has no section {name!r}")
    return f"{head}{begin}\n{text}\n{end}{tail}"


def read_section(document: Path, name: str) -> str:
    """What stands there. Raises ValueError."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    _, found, rest = document.read_text("utf-8").partition(begin)
    text, closed, _ = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{document} has no section {name!r}")
    return text.strip("\n")
