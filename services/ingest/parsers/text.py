"""Plain text in any common encoding."""

from __future__ import annotations

from services.ingest.document import DocumentType, ParsedDocument
from services.ingest.encoding import decode
from services.ingest.normalisation import clean


def parse(data: bytes) -> ParsedDocument:
    """The text of `data`. Raises ParseError UNKNOWN_TEXT_ENCODING."""
    return ParsedDocument(DocumentType.TEXT, clean(decode(data)))
