"""Reads a document a second time, after a process has died of reading it by `parsers.read`."""

from __future__ import annotations

from pathlib import Path

from services.ingest import parsers
from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers import pdf
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits


def read(
    path: Path, kind: DocumentType, password: str = "", limits: ParseLimits = DEFAULT_LIMITS
) -> ParsedDocument:
    """Like `parsers.read`, but PDF without PDFium: that is what a damaged PDF can crash.

    Other types are read as before: what their process died of may have been left by earlier documents.
    """
    if kind is not DocumentType.PDF:
        return parsers.read(path, kind, password, limits)
    parsed = pdf.parse_by_pypdf(path, password)
    limits.check_pages(len(parsed.pages))
    limits.check_characters(len(parsed.text))
    return parsed
