"""What is uploaded, and what is heard of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

from docuquery.common.v1.document_pb2 import Document, DocumentError, DocumentType, IfExistsPolicy
from docuquery.common.v1.error_reason_pb2 import ErrorReason
from docuquery.common.v1.upload_pb2 import UploadHeader, UploadProgress
from docuquery_client.filters import JsonValue, to_struct
from docuquery_client.names import enum_name

UNREADABLE_FILE = "UNREADABLE_FILE"
"""The `reason` of a file that could not be read here; the server has not seen it."""


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to upload and what to say about it. The fields after `path` are those of UploadHeader."""

    path: Path
    source: str = ""
    """The document's name in the store; empty: its file name."""
    filename: str = ""
    """Empty: the path's last part."""
    type: DocumentType.ValueType = DocumentType.DOCUMENT_TYPE_UNSPECIFIED
    metadata: Mapping[str, JsonValue] | None = None
    """None leaves what the document has."""
    if_exists: IfExistsPolicy.ValueType = IfExistsPolicy.IF_EXISTS_POLICY_UNSPECIFIED
    password: str = field(default="", repr=False)
    language: str = ""

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Self:
        """A file with nothing more to say."""
        return cls(Path(path))

    def header(self, size_bytes: int) -> UploadHeader:
        """The message that announces it."""
        return UploadHeader(
            filename=_utf8(self.filename or self.path.name),
            type=self.type,
            source=_utf8(self.source),
            metadata=None if self.metadata is None else to_struct(self.metadata),
            if_exists=self.if_exists,
            size_bytes=size_bytes,
            password=self.password,
            language=self.language,
        )


FilePath: TypeAlias = str | os.PathLike[str]


def as_upload_files(files: Iterable[FilePath | UploadFile]) -> Iterator[UploadFile]:
    """Paths as files with nothing more to say. Raises TypeError for a single path at once."""
    if isinstance(files, str | bytes | os.PathLike):
        raise TypeError("several files are uploaded: give a list, also of one")
    return (file if isinstance(file, UploadFile) else UploadFile.of(file) for file in files)


@dataclass(frozen=True, slots=True)
class UploadEvent:
    """Something that happened to one file."""

    file: UploadFile
    progress: UploadProgress
    """What; `failed` also for a file that could not be read here."""
    document_id: str = ""
    """UUID of the document; empty until it is known."""
    read_error: OSError | None = None
    """Set when the file could not be read here."""

    @property
    def finished(self) -> bool:
        """Whether this is the file's last event."""
        return self.progress.WhichOneof("event") in ("done", "failed")

    @property
    def failed(self) -> DocumentError | None:
        """Why the file was not ingested; None unless it failed."""
        return self.progress.failed if self.progress.HasField("failed") else None

    @property
    def reason(self) -> str:
        """The failure's reason, `DOCUMENT_ENCRYPTED` for example; empty unless it failed."""
        if self.read_error is not None:
            return UNREADABLE_FILE
        if self.failed is None:
            return ""
        return enum_name(ErrorReason, self.failed.reason)

    @property
    def misnamed(self) -> str:
        """The type the file's name promises (`PDF`), when its content is another; else empty."""
        promised = self.progress.done.promised_type
        return enum_name(DocumentType, promised) if promised else ""

    @property
    def document(self) -> Document | None:
        """The document as it now stands; None unless it is done."""
        return self.progress.done.document if self.progress.HasField("done") else None


def _utf8(name: str) -> str:
    # A file name need not be text; the bytes that are none are written as \xNN.
    return os.fsencode(name).decode("utf-8", "backslashreplace")
