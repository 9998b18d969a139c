"""The ingest service as a process of its own, with a reader that costs next to nothing.

For tests that measure the service: what it holds is then neither the test's nor the parsers'.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from libs.runtime import run
from services.ingest.app import start
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.limits import ParseLimits
from services.ingest.settings import Settings

HEAD_CHARACTERS = 50_000


def read_head(path: Path, kind: DocumentType, password: str, limits: ParseLimits) -> ParsedDocument:
    """The beginning of a text."""
    with path.open(encoding="utf-8") as file:
        return ParsedDocument(kind, file.read(HEAD_CHARACTERS))


if __name__ == "__main__":
    run(partial(start, read_document=read_head), Settings, "ingest")
