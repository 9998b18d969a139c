"""The contract's closed sets of values and the domain's, side by side."""

from __future__ import annotations

from typing import TypeVar

from docuquery.common.v1 import document_pb2, passage_pb2
from libs.errors import Violations
from libs.languages import LANGUAGES
from services.retrieval.model import DocumentType, IfExists, Stage, Status, UploadResult
from services.retrieval.search.searcher import Mode

T = TypeVar("T")
V = TypeVar("V")

TYPES: dict[document_pb2.DocumentType.ValueType, DocumentType] = {
    document_pb2.DOCUMENT_TYPE_PDF: DocumentType.PDF,
    document_pb2.DOCUMENT_TYPE_MARKDOWN: DocumentType.MARKDOWN,
    document_pb2.DOCUMENT_TYPE_HTML: DocumentType.HTML,
    document_pb2.DOCUMENT_TYPE_TEXT: DocumentType.TEXT,
    document_pb2.DOCUMENT_TYPE_DOCX: DocumentType.DOCX,
    document_pb2.DOCUMENT_TYPE_PPTX: DocumentType.PPTX,
    document_pb2.DOCUMENT_TYPE_XLSX: DocumentType.XLSX,
    document_pb2.DOCUMENT_TYPE_CSV: DocumentType.CSV,
    document_pb2.DOCUMENT_TYPE_EPUB: DocumentType.EPUB,
}
STATUSES: dict[document_pb2.DocumentStatus.ValueType, Status] = {
    document_pb2.DOCUMENT_STATUS_PENDING: Status.PENDING,
    document_pb2.DOCUMENT_STATUS_PROCESSING: Status.PROCESSING,
    document_pb2.DOCUMENT_STATUS_INDEXED: Status.INDEXED,
    document_pb2.DOCUMENT_STATUS_FAILED: Status.FAILED,
}
STAGES: dict[document_pb2.IngestStage.ValueType, Stage] = {
    document_pb2.INGEST_STAGE_RECEIVING: Stage.RECEIVING,
    document_pb2.INGEST_STAGE_PARSING: Stage.PARSING,
    document_pb2.INGEST_STAGE_INDEXING: Stage.INDEXING,
    document_pb2.INGEST_STAGE_DONE: Stage.DONE,
}
POLICIES: dict[document_pb2.IfExistsPolicy.ValueType, IfExists] = {
    document_pb2.IF_EXISTS_POLICY_UNSPECIFIED: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_REPLACE: IfExists.REPLACE,
    document_pb2.IF_EXISTS_POLICY_FAIL: IfExists.FAIL,
    document_pb2.IF_EXISTS_POLICY_SKIP: IfExists.SKIP,
}
MODES: dict[passage_pb2.SearchMode.ValueType, Mode] = {
    passage_pb2.SEARCH_MODE_UNSPECIFIED: Mode.HYBRID,
    passage_pb2.SEARCH_MODE_HYBRID: Mode.HYBRID,
    passage_pb2.SEARCH_MODE_DENSE: Mode.DENSE,
    passage_pb2.SEARCH_MODE_SPARSE: Mode.SPARSE,
}
RESULTS: dict[UploadResult, document_pb2.UploadResult.ValueType] = {
    UploadResult.CREATED: document_pb2.UPLOAD_RESULT_CREATED,
    UploadResult.REPLACED: document_pb2.UPLOAD_RESULT_REPLACED,
    UploadResult.UNCHANGED: document_pb2.UPLOAD_RESULT_UNCHANGED,
    UploadResult.METADATA_UPDATED: document_pb2.UPLOAD_RESULT_METADATA_UPDATED,
    UploadResult.SKIPPED: document_pb2.UPLOAD_RESULT_SKIPPED,
}

TYPE_VALUES: dict[DocumentType, document_pb2.DocumentType.ValueType] = {
    domain: value for value, domain in TYPES.items()
}
STATUS_VALUES: dict[Status, document_pb2.DocumentStatus.ValueType] = {
    domain: value for value, domain in STATUSES.items()
}
STAGE_VALUES: dict[Stage, document_pb2.IngestStage.ValueType] = {
    domain: value for value, domain in STAGES.items()
}
MODE_VALUES: dict[Mode, passage_pb2.SearchMode.ValueType] = {
    domain: value for value, domain in MODES.items() if value != passage_pb2.SEARCH_MODE_UNSPECIFIED
}


def known(table: dict[V, T], value: V, field: str, faults: Violations) -> T | None:
    """The domain's value; None, and a fault, for one the contract does not name."""
    if value not in table:
        faults.add(field, "must be one of the values the contract names")
    return table.get(value)


def optional(table: dict[V, T], value: V, field: str, faults: Violations) -> T | None:
    """As `known`, but None without a fault for UNSPECIFIED."""
    return known(table, value, field, faults) if value else None


def language_from_proto(code: str, faults: Violations) -> str:
    """A language's code; "" for none. A fault for one that is not known."""
    faults.require(
        not code or code in LANGUAGES, "language", "must be a code the contract's tags come down to"
    )
    return code
