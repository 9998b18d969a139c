"""Options several commands share, and the values they take."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from docuquery.common.v1.document_pb2 import DocumentStatus, DocumentType, IfExistsPolicy
from docuquery.common.v1.filter_pb2 import Filter
from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery_client.cli.session import usage_error
from docuquery_client.filters import filter_from_pairs


class Mode(StrEnum):
    """Which index answers a search."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


class FileType(StrEnum):
    """What kind of file a document is."""

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
    """Where a document stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    INDEXED = "indexed"
    FAILED = "failed"


class IfExists(StrEnum):
    """What to do when the source exists."""

    REPLACE = "replace"
    FAIL = "fail"
    SKIP = "skip"


JsonFlag = Annotated[bool, typer.Option("--json", help="Print the reply as JSON.")]

ModeOption = Annotated[Mode, typer.Option("--mode", help="Search by meaning and words, or one of them.")]

FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="KEY=VALUE",
        help="Only documents with this metadata or field (source, filename, type, title, language, ...); "
        "a key given twice means either value. Also KEY!=VALUE, and >=, >, <=, < for numbers; times take "
        "'due>=2024-05-01' and <.",
        show_default=False,
    ),
]

StatusesOption = Annotated[
    list[Status] | None,
    typer.Option("--status", help="Only documents in this state.", show_default=False),
]

FileTypesOption = Annotated[
    list[FileType] | None,
    typer.Option("--type", help="Only documents of this type.", show_default=False),
]

RerankOption = Annotated[
    bool | None,
    typer.Option("--rerank/--no-rerank", help="Order the best once more. Default: as the server is set."),
]

ExpandOption = Annotated[
    int, typer.Option("--expand", help="Chunks before and after each passage to use with it.", min=0, max=3)
]


def mode_value(mode: Mode) -> SearchMode.ValueType:
    """The contract's value."""
    return SearchMode.Value(f"SEARCH_MODE_{mode.name}")


def type_value(file_type: FileType | None) -> DocumentType.ValueType:
    """The contract's value; None is "detect it"."""
    return DocumentType.Value(f"DOCUMENT_TYPE_{file_type.name if file_type else 'UNSPECIFIED'}")


def status_value(status: Status) -> DocumentStatus.ValueType:
    """The contract's value."""
    return DocumentStatus.Value(f"DOCUMENT_STATUS_{status.name}")


def if_exists_value(policy: IfExists) -> IfExistsPolicy.ValueType:
    """The contract's value."""
    return IfExistsPolicy.Value(f"IF_EXISTS_POLICY_{policy.name}")


def filter_value(pairs: list[str] | None) -> Filter | None:
    """The filter of the `--filter` options; None without any. A bad one is a usage error."""
    if not pairs:
        return None
    try:
        return filter_from_pairs(pairs)
    except ValueError as error:
        raise usage_error(f"--filter: {error}.") from None
