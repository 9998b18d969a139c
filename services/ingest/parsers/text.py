"""Plain text in any common encoding."""

from __future__ import annotations

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.encoding import decode
from services.ingest.text.normalisation import clean


def parse(data: bytes) -> ParsedDocument:
    """The text of `data`. Raises ParseError UNKNOWN_TEXT_ENCODING."""
    return ParsedDocument(DocumentType.TEXT, clean(decode(data)))
