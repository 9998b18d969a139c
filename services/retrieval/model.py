"""What the domain speaks of: documents, their attempts and versions, chunks. No protobuf, no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from libs.errors import Reason

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value as metadata holds it. Whole numbers are ints."""


class DocumentType(StrEnum):
    """What a document is read as; the values are the short names filters use."""

    PDF = "pdf"
    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    EPUB = "epub"


class Status(StrEnum):
    """Where a document, or one attempt on it, stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    INDEXED = "indexed"
    FAILED = "failed"


class Stage(StrEnum):
    """The step an attempt is in, or ended in."""

    RECEIVING = "receiving"
    PARSING = "parsing"
    INDEXING = "indexing"
    DONE = "done"


class IfExists(StrEnum):
    """What to do when the source already has a live document."""

    REPLACE = "replace"
    FAIL = "fail"
    SKIP = "skip"


class UploadResult(StrEnum):
    """What an upload did."""

    CREATED = "created"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    METADATA_UPDATED = "metadata_updated"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open piece of a text: code points, and the same piece in UTF-8 bytes. All 0-based."""

    char_start: int
    char_end: int
    byte_start: int
    byte_end: int


@dataclass(frozen=True, slots=True)
class PageRange:
    """Pages, 1-based, both inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PageStart:
    """The first character (code points from the document's start) of a page (1-based)."""

    page: int
    char_start: int


class ChunkKey(NamedTuple):
    """Names a stored chunk: the attempt that wrote it and its 0-based place among that attempt's chunks.

    A tuple, since every search makes and hashes hundreds of them.
    """

    attempt_id: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document as it is cited."""

    key: ChunkKey
    document_id: str
    text: str
    """The exact text: document_text[span.char_start:span.char_end]."""
    span: Span
    pages: PageRange | None = None
    page_starts: tuple[PageStart, ...] = ()
    headings: tuple[str, ...] = ()
    title: str = ""
    language: str = ""
    """Code of the language its terms are made in; empty: in the store's own."""


@dataclass(frozen=True, slots=True)
class DocumentError:
    """Why an attempt failed; `message` is public."""

    reason: Reason
    message: str
    retryable: bool
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the reason's comment in the contract names."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the uploader says of the bytes. Each attempt brings its own; a commit makes it the document's."""

    filename: str
    type: DocumentType | None
    size_bytes: int
    metadata: Mapping[str, Json]
    keeps_metadata: bool = False
    """Whether the uploader left the metadata open: the document keeps what it has."""

    def over(self, former: Description | None) -> Description:
        """The description as it becomes the document's, in the place of `former`."""
        metadata = former.metadata if former and self.keeps_metadata else self.metadata
        return replace(self, metadata=metadata, keeps_metadata=False)


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """The version searches see."""

    attempt_id: str
    """The attempt that wrote it; its chunks carry the same id."""
    version: str
    description: Description
    title: str
    chunk_count: int
    page_count: int
    character_count: int
    text_block_count: int
    replaced: bool
    """Whether it took the place of another version."""
    language: str = ""
    """Code of the text's language (see `libs.languages`); empty when it is not known."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The latest try to store a version of a document.

    `attempt_id` is the token its ingest holds. While `status` is PENDING or PROCESSING the attempt owns
    the document; ending it in any way takes that away.
    """

    attempt_id: str
    version: str
    """Empty until known."""
    status: Status
    stage: Stage
    description: Description
    start_time: datetime
    update_time: datetime
    lease_end: datetime
    """When an attempt that says nothing more counts as abandoned."""
    error: DocumentError | None = None
    chunks_written: int = 0
    chunks_total: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it may still write and commit."""
        return self.status in (Status.PENDING, Status.PROCESSING)


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """Everything known of one document; one point in the store, written whole."""

    document_id: str
    source: str
    create_time: datetime
    update_time: datetime
    attempt: Attempt
    live: LiveVersion | None = None
    revision: int = 0
    """Counts the writes of this record; a write names the one it builds on (optimistic locking)."""

    @property
    def description(self) -> Description:
        """The live version's, or the attempt's while there is none."""
        return self.live.description if self.live else self.attempt.description

    @property
    def status(self) -> Status:
        """INDEXED when something is searchable, else how the latest attempt stands."""
        return Status.INDEXED if self.live else self.attempt.status
