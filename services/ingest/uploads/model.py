"""What a caller uploads, and what it hears about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from google.protobuf.struct_pb2 import Struct

from docuquery.common.v1 import document_pb2
from libs.errors import DocuQueryError
from services.ingest.model import DocumentType
from services.ingest.spool.spool import SpooledFile

StoredDocument = document_pb2.Document
"""A document as retrieval describes it. Like `Struct`, a message this service passes on unread."""


class IfExists(StrEnum):
    """What to do when the source already has a live document."""

    REPLACE = "REPLACE"
    FAIL = "FAIL"
    SKIP = "SKIP"


class UploadResult(StrEnum):
    """What an upload did."""

    CREATED = "CREATED"
    REPLACED = "REPLACED"
    UNCHANGED = "UNCHANGED"
    METADATA_UPDATED = "METADATA_UPDATED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Header:
    """What the caller says about a document; valid."""

    filename: str
    """Without folders, 1 to 255 characters."""
    source: str
    """1 to 1024 characters."""
    declared_type: DocumentType | None
    """None: the content decides."""
    if_exists: IfExists
    metadata: Struct | None
    """None: the document keeps what it has."""
    size_bytes: int
    """0 when the caller does not know."""
    password: str = field(repr=False)
    """Empty when there is none. Never logged."""
    language: str = ""
    """Its code; empty: told from the text."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to write one version of a document."""

    document_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A complete upload."""

    header: Header
    file: SpooledFile
    announced: Attempt | None = None
    """The attempt that was opened while the bytes were arriving; None when there was no need."""


@dataclass(frozen=True, slots=True)
class HeaderPart:
    """Begins a document."""

    upload_id: str
    header: Header


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A message that cannot be accepted; its document fails with `error`."""

    upload_id: str
    error: DocuQueryError


@dataclass(frozen=True, slots=True)
class DataPart:
    """The document's next bytes."""

    upload_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class FooterPart:
    """Ends the document."""

    upload_id: str
    sha256: str
    """Hex; empty when the caller did not compute it."""


Part = HeaderPart | RefusedPart | DataPart | FooterPart


@dataclass(frozen=True, slots=True)
class Received:
    """All bytes of the document are here."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """Text and chunks were extracted."""

    type: DocumentType
    page_count: int
    chunk_count: int


@dataclass(frozen=True, slots=True)
class Indexed:
    """Some chunks were written."""

    chunks_written: int
    chunks_total: int


@dataclass(frozen=True, slots=True)
class Done:
    """The document is durable and searchable."""

    result: UploadResult
    document: StoredDocument
    promised_type: DocumentType | None = None
    """What the file name's ending promises, where the content is something else."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The document was not ingested."""

    error: DocuQueryError


Event = Received | Parsed | Indexed | Done | Failed


@dataclass(frozen=True, slots=True)
class Progress:
    """An event of one document."""

    upload_id: str
    document_id: str
    """Empty until it is known."""
    event: Event


class Report(Protocol):
    """Hears about one document."""

    def identify(self, document_id: str) -> None:
        """The document's id became known."""
        ...

    async def tell(self, event: Event) -> None:
        """Something happened; waits while the caller is slow to listen."""
        ...
