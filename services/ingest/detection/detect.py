"""What kind of document some bytes are: told from the content, with the file name as a hint among texts."""

from __future__ import annotations

import codecs
import re
from pathlib import Path, PurePosixPath

import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest.detection.containers import ENCRYPTED_OFFICE, LEGACY, container_kind
from services.ingest.model import SUPPORTED_TYPES, DocumentType
from services.ingest.parsers.csv.dialect import find_delimiter
from services.ingest.parsers.encoding import wide_encoding

log = structlog.get_logger()

HEAD_BYTES = 64 * 1024
"""How much of a file `detect` wants to see."""

_PDF_WITHIN = 1024
"""A PDF may begin with up to this much foreign matter (ISO 32000-1, Annex H, note 13)."""

# Signatures of what people upload by mistake, to name it in the refusal: (offset, bytes, name).
_BINARY_SIGNATURES = (
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"RIFF", "riff"),
    (4, b"ftyp", "mp4"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"\x7fELF", "elf"),
    (0, b"MZ", "exe"),
    (0, b"SQLite format 3\0", "sqlite"),
    (0, b"{\\rtf", "rtf"),
    (0, b"%!PS", "postscript"),
)
# Types told by their bytes alone.
_BINARY_TYPES = frozenset(
    {DocumentType.PDF, DocumentType.DOCX, DocumentType.PPTX, DocumentType.XLSX, DocumentType.EPUB}
)

# The first object of a PDF whose header was lost: believed when somebody says that it is a PDF.
_PDF_OBJECT = re.compile(rb"\d+\s+\d+\s+obj\b")

_MARKDOWN_SUFFIXES = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mkdn", ".mdx", ".qmd", ".rmd"})
_HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".xht"})
_CSV_SUFFIXES = frozenset({".csv", ".tsv", ".tab"})

_TEXT_SUFFIXES = frozenset({".txt", ".text"})
_PROMISES = {
    **{f".{kind}": kind for kind in _BINARY_TYPES},
    **dict.fromkeys(_MARKDOWN_SUFFIXES, DocumentType.MARKDOWN),
    **dict.fromkeys(_HTML_SUFFIXES, DocumentType.HTML),
    **dict.fromkeys(_CSV_SUFFIXES, DocumentType.CSV),
    **dict.fromkeys(_TEXT_SUFFIXES, DocumentType.TEXT),
}

_CONTROL_BYTES = bytes({*range(0x00, 0x09), *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F})
_MOST_CONTROL = 0.01

_LEAD = r"(?:\s+|<!--.*?-->|<\?.*?\?>)*+"
# A document of its own, and a fragment: what browsers take for HTML (WHATWG MIME Sniffing, section 7.1).
_HTML_DOCUMENT = re.compile(_LEAD + r"<(?:!doctype\s+html|html|head|body)[\s>/]", re.IGNORECASE | re.DOTALL)
_HTML_FRAGMENT = re.compile(
    _LEAD
    + r"<(?:script|iframe|h[1-6]|div|font|table|a|style|title|b|br|p|section|article|main|ul|ol|meta|span)"
    r"[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_ANY_TAG = re.compile(r"<(?:/?[a-z][a-z0-9]*[\s>/]|!doctype|!--)", re.IGNORECASE)


def detect(
    head: bytes, filename: str, declared: DocumentType | None = None, path: Path | None = None
) -> DocumentType:
    """The type of a document that begins with `head` (its first 64 KiB, or all of it).

    `declared` is what the caller says it is; None lets the content decide. Any text may be declared
    plain text, and any text but a whole HTML page Markdown. `path` is the whole file: the kind of some
    archives shows at their end only.
    A name with the wrong ending refuses nothing: the document is read as its content, `promised_type` tells
    what the name said, and so does the log.
    Raises DocuQueryError: DOCUMENT_TYPE_MISMATCH when the content is another type than declared,
    UNSUPPORTED_DOCUMENT_TYPE when it is none that can be read, DOCUMENT_ENCRYPTED for an Office file with a
    password.
    """
    kind = _content_kind(head, filename, declared, path)
    promised = promised_type(filename, kind)
    if promised is not None:
        log.info("document_name_promises_another_type", promised=promised, read_as=kind)
    return kind


def _content_kind(
    head: bytes, filename: str, declared: DocumentType | None, path: Path | None
) -> DocumentType:
    suffix = PurePosixPath(filename).suffix.lower()
    binary = container_kind(head, suffix, path) or _binary_kind(head)
    if binary == ENCRYPTED_OFFICE:
        raise _encrypted_office()
    if (declared == DocumentType.PDF or suffix == ".pdf") and _PDF_OBJECT.search(head[:_PDF_WITHIN]):
        binary = DocumentType.PDF
    if binary in _BINARY_TYPES:
        if declared not in (None, binary):
            raise _mismatch(declared, binary)
        return DocumentType(binary)
    if binary is not None:
        if declared is not None:
            raise _mismatch(declared, binary)
        raise unsupported(binary)
    text = _text_of(head)
    found = _text_kind(text, suffix)
    if declared is None:
        return found
    if not _may_be(declared, text):
        raise _mismatch(declared, found)
    return declared


def promised_type(filename: str, actual: DocumentType) -> DocumentType | None:
    """The type that the ending of `filename` promises, when a document of the type `actual` is another one.

    None where the name promises nothing, or what it keeps. Any text keeps the promise of `.txt`.
    """
    suffix = PurePosixPath(filename).suffix.lower()
    promised = _PROMISES.get(suffix)
    if promised == actual or (promised == DocumentType.TEXT and actual not in _BINARY_TYPES):
        return None
    return promised


def _binary_kind(head: bytes) -> str | None:
    """A name for content that is not text; None for text."""
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return DocumentType.PDF
    for offset, signature, name in _BINARY_SIGNATURES:
        if head.startswith(signature, offset):
            return name
    if _has_mark(head) or wide_encoding(head):
        return None
    control = len(head) - len(head.translate(None, _CONTROL_BYTES))
    return "binary" if control > len(head) * _MOST_CONTROL else None


def _has_mark(head: bytes) -> bool:
    marks = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
    return head.startswith(marks)


def _text_of(head: bytes) -> str:
    """Enough of the text to see tags in: ASCII letters are right, others may not be."""
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")):
        if head.startswith(mark):
            return head.decode(name, "replace")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", "replace")
    return head.removeprefix(codecs.BOM_UTF8).decode(wide_encoding(head) or "latin-1", "replace")


def _text_kind(text: str, suffix: str) -> DocumentType:
    if _HTML_DOCUMENT.match(text):
        return DocumentType.HTML
    # Markdown may begin with a tag (a centred logo, say) and is still Markdown.
    if suffix in _MARKDOWN_SUFFIXES:
        return DocumentType.MARKDOWN
    if suffix in _HTML_SUFFIXES and _ANY_TAG.search(text):
        return DocumentType.HTML
    if _HTML_FRAGMENT.match(text):
        return DocumentType.HTML
    if suffix in _CSV_SUFFIXES and find_delimiter(text):
        return DocumentType.CSV
    return DocumentType.TEXT


def _may_be(declared: DocumentType, text: str) -> bool:
    """Whether a text can be read as `declared`."""
    match declared:
        case DocumentType.TEXT:
            return True
        case DocumentType.MARKDOWN:
            return _HTML_DOCUMENT.match(text) is None
        case DocumentType.HTML:
            return _ANY_TAG.search(text) is not None
        case DocumentType.CSV:
            return bool(find_delimiter(text))
        case _:
            return False


def _mismatch(declared: DocumentType | None, detected: str) -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_DOCUMENT_TYPE_MISMATCH,
        f"The document was announced as {declared} but its content is {detected}. "
        "Leave the type out or correct it, or upload the right file.",
        metadata={"declared_type": str(declared), "detected_type": str(detected)},
    )


def unsupported(detected: str) -> DocuQueryError:
    """A document of the type `detected`, which no parser reads."""
    newer = LEGACY.get(detected)
    advice = f"Save it as {newer} and upload that." if newer else f"Upload one of: {SUPPORTED_TYPES}."
    return DocuQueryError(
        reasons.ERROR_REASON_UNSUPPORTED_DOCUMENT_TYPE,
        f"Files of the type {detected} cannot be read. {advice}",
        metadata={"detected_type": detected, "supported_types": SUPPORTED_TYPES},
    )


def _encrypted_office() -> DocuQueryError:
    return DocuQueryError(
        reasons.ERROR_REASON_DOCUMENT_ENCRYPTED,
        "The Office document is encrypted. Save it without a password or rights management, "
        "then upload the new file.",
    )
