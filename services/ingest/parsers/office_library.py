"""The reading of Office files is an optional extra; without it these types are refused by name."""

from __future__ import annotations

from services.ingest.parsers.errors import ParseError

EXTRA = "office"


def missing(kind: str) -> ParseError:
    """The library that reads `kind` (`docx`) is not installed."""
    return ParseError(
        "UNSUPPORTED_DOCUMENT_TYPE",
        f"This server was installed without the extra '{EXTRA}', which reads {kind} files. "
        f"Install docuquery[{EXTRA}] on the server, or upload the document as PDF.",
        {"detected_type": kind, "supported_types": "pdf, markdown, html, text, csv, epub"},
    )
