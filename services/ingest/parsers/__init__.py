"""One module a format, each with `parse(...) -> ParsedDocument`; `read` picks by type.

Parsers run in worker processes: they know files and text, nothing of gRPC, settings or logging. They open
no network connection and no file but the one they are given.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from services.ingest.model import DocumentType, ParsedDocument
from services.ingest.parsers.errors import no_text
from services.ingest.parsers.limits import DEFAULT_LIMITS, ParseLimits
from services.ingest.parsers.office_library import missing


def read(
    path: Path, kind: DocumentType, password: str = "", limits: ParseLimits = DEFAULT_LIMITS
) -> ParsedDocument:
    """The text and structure of the file at `path`, read as `kind`.

    `password` opens an encrypted document; empty when there is none.
    Raises ParseError when it cannot be read, exceeds a limit, or holds no text; whatever else is raised is
    a fault of a parser.
    """
    # Imported where needed: a worker that reads Markdown only need not hold the HTML reader. The pool's
    # warm-up imports all of them once, before any fork.
    match kind:
        case DocumentType.PDF:
            from services.ingest.parsers import pdf

            parsed = pdf.parse(path, password, limits)
        case DocumentType.MARKDOWN:
            from services.ingest.parsers import markdown

            parsed = markdown.parse(path.read_bytes())
        case DocumentType.HTML:
            from services.ingest.parsers import html

            parsed = html.parse(path.read_bytes(), limits)
        case DocumentType.TEXT:
            from services.ingest.parsers import text

            parsed = text.parse(path.read_bytes())
        case DocumentType.CSV:
            from services.ingest.parsers import csv

            parsed = csv.parse(path.read_bytes(), limits)
        case DocumentType.EPUB:
            from services.ingest.parsers import epub

            parsed = epub.parse(path, limits)
        case DocumentType.DOCX | DocumentType.PPTX | DocumentType.XLSX:
            parsed = _read_office(path, kind, limits)
    limits.check_pages(len(parsed.pages))
    limits.check_characters(len(parsed.text))
    if not parsed.text or parsed.text.isspace():
        raise no_text(len(parsed.pages))
    return parsed


def _read_office(path: Path, kind: DocumentType, limits: ParseLimits) -> ParsedDocument:
    """Reads by a library of the extra `office`. Raises ParseError UNSUPPORTED_DOCUMENT_TYPE without it."""
    # No part of the warm-up: openpyxl brings numpy, whose address space every worker would be charged for.
    try:
        module = import_module(f"services.ingest.parsers.{kind}")
    except ModuleNotFoundError as error:
        raise missing(kind) from error
    parsed: ParsedDocument = module.parse(path, limits)
    return parsed
