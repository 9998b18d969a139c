"""The version of a document: its bytes, and everything that decides what text and chunks they become."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version

from services.ingest.chunking import chunking, naming
from services.ingest.model import DocumentType
from services.ingest.text import normalisation

PARSER_REVISIONS = {
    DocumentType.PDF: 3,
    DocumentType.MARKDOWN: 2,
    DocumentType.HTML: 2,
    DocumentType.TEXT: 1,
    DocumentType.DOCX: 2,
    DocumentType.PPTX: 2,
    DocumentType.XLSX: 2,
    DocumentType.CSV: 1,
    DocumentType.EPUB: 2,
}
"""Raised by hand when our own reading of a type changes."""

_LIBRARIES = {
    DocumentType.PDF: ("pypdfium2", "pypdf"),
    DocumentType.MARKDOWN: ("markdown-it-py", "charset-normalizer"),
    DocumentType.HTML: ("trafilatura", "lxml", "charset-normalizer"),
    DocumentType.TEXT: ("charset-normalizer",),
    DocumentType.DOCX: ("python-docx", "lxml"),
    DocumentType.PPTX: ("python-pptx", "lxml"),
    DocumentType.XLSX: ("openpyxl", "defusedxml"),
    DocumentType.CSV: ("charset-normalizer",),
    DocumentType.EPUB: ("lxml", "charset-normalizer"),
}


class Fingerprint:
    """What this service would make of bytes, besides the bytes themselves.

    `chunk_size` and `chunk_overlap` in code points.
    """

    def __init__(self, *, chunk_size: int, chunk_overlap: int) -> None:
        chunker = f"chunker {chunking.REVISION} {chunk_size} {chunk_overlap}"
        text = f"text {normalisation.REVISION}"
        label = f"label {naming.REVISION}"
        self._by_type = {
            kind: "\n".join(
                [
                    f"parser {kind} {PARSER_REVISIONS[kind]}",
                    *(f"{name} {_version(name)}" for name in _LIBRARIES[kind]),
                    text,
                    chunker,
                    label,
                ]
            )
            for kind in DocumentType
        }

    def version_of(self, kind: DocumentType, sha256: str, language: str = "") -> str:
        """The version, lower-case hex SHA-256, of bytes with this `sha256` read as `kind`.

        `language` is the one somebody named; empty when it is told from the text.
        """
        named = f"\nlanguage {language}" if language else ""
        return hashlib.sha256(f"{self._by_type[kind]}\nbytes {sha256}{named}".encode()).hexdigest()


def _version(library: str) -> str:
    """The library's version; `none` where an optional one is not installed."""
    try:
        return version(library)
    except PackageNotFoundError:
        return "none"
