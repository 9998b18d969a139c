"""Why a file could not be read.

A module of its own, free of gRPC: parsers run in worker processes that should hold as little as possible.
The pool turns these into `DocuQueryError` in the service's own process.
"""

from __future__ import annotations

from collections.abc import Mapping


class ParseError(Exception):
    """A file is refused, with a reason from the contract.

    `reason` is the name of an `ErrorReason` without its prefix (`NO_TEXT`); `message` is public, a
    sentence that says what to do; `metadata` holds the keys the reason's comment in error_reason.proto
    names.
    """

    def __init__(self, reason: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})


def corrupt(kind: str) -> ParseError:
    """The bytes are damaged; `kind` names the format (`PDF`)."""
    return ParseError(
        "DOCUMENT_CORRUPT",
        f"The {kind} file is damaged and cannot be read. Open and save it again, then upload the new file.",
    )


def no_text(page_count: int = 0) -> ParseError:
    """The file was read, but it holds no text."""
    if page_count:
        message = (
            f"The document's {page_count} page(s) hold no text, only images perhaps. "
            "Run text recognition (OCR) on it and upload the result."
        )
        return ParseError("NO_TEXT", message, {"page_count": str(page_count)})
    return ParseError("NO_TEXT", "The document holds no text. Upload a file with text in it.")


def encrypted(*, password_given: bool) -> ParseError:
    """The document needs a password, or another one."""
    message = (
        "The password does not open the document. Upload it again with the right one."
        if password_given
        else "The document is encrypted. Upload it with its password, or without encryption."
    )
    return ParseError("DOCUMENT_ENCRYPTED", message)


def limit_exceeded(name: str, limit: int, why: str) -> ParseError:
    """Reading the document went over the limit `name` (`memory`, `nesting`); `why` is a sentence."""
    return ParseError(
        "PARSE_LIMIT_EXCEEDED",
        f"The document is too complex to be read. {why} Split or simplify it, then upload it again.",
        {"limit_name": name, "limit": str(limit)},
    )
