"""The rules of every public request. All faults of a request are reported at once."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.document_pb2 import DocumentStatus, DocumentType, IfExistsPolicy
from docuquery.common.v1.passage_pb2 import SearchMode
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from libs.errors import DocuQueryError, Violations
from libs.hygiene import clean_question
from libs.json_size import fits_as_json
from libs.languages import EXAMPLES, language_code
from services.gateway.status.convert import override_seconds
from services.gateway.validation.filter_rules import MAX_ANY_OF, check_filter

MAX_TOP_K = 20
MAX_LIMIT = 200
MAX_EXPAND_CHUNKS = 3
MAX_PAGE_SIZE = 200
MAX_CONTEXT_CHARACTERS = 5000
MAX_FILENAME_CHARACTERS = 255
MAX_SOURCE_CHARACTERS = 1024
MAX_METADATA_BYTES = 16 * 1024
MAX_NAME_CHARACTERS = 128
MAX_OVERRIDE_SECONDS = 30 * 86_400

_PADDING = 16
"""A text so many times too long is not looked at for blanks and hidden characters, which do not count."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_CONVERSATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")
_NAME = re.compile(r"[A-Za-z0-9._/:-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Rules:
    """Checks requests. Every method raises INVALID_REQUEST with all faults found."""

    question_max_characters: int = 1000
    unary_upload_max_bytes: int = 4 * 1024 * 1024

    def query(self, request: pb.QueryRequest, prefix: str = "") -> None:
        """A question; `prefix` is the path to the message, for StreamQuery."""
        faults = Violations()
        self._text(faults, request.question, prefix + "question")
        faults.require(
            not request.conversation_id or bool(_CONVERSATION_ID.match(request.conversation_id)),
            prefix + "conversation_id",
            "Must have at most 128 characters of [A-Za-z0-9._:-].",
        )
        if request.HasField("top_k"):
            _within(faults, request.top_k, 1, MAX_TOP_K, prefix + "top_k")
        _search_options(faults, request, prefix, MAX_TOP_K)
        for name in ("prompt_version", "provider"):
            value = getattr(request, name)
            faults.require(
                not value or bool(_NAME.match(value)),
                prefix + name,
                "Must have at most 128 characters of [A-Za-z0-9._/:-].",
            )
        faults.raise_if_any()

    def stream_query(self, request: pb.StreamQueryRequest) -> None:
        """The same, one level deeper."""
        self.query(request.query, "query.")

    def search(self, request: pb.SearchRequest) -> None:
        """A search without an answer."""
        faults = Violations()
        self._text(faults, request.query, "query")
        if request.HasField("limit"):
            _within(faults, request.limit, 1, MAX_LIMIT, "limit")
        _search_options(faults, request, "", MAX_LIMIT)
        faults.raise_if_any()

    def upload_document(self, request: pb.UploadDocumentRequest) -> None:
        """An upload in one message. Raises MESSAGE_TOO_LARGE, too."""
        if len(request.content) > self.unary_upload_max_bytes:
            raise DocuQueryError(
                reasons.ERROR_REASON_MESSAGE_TOO_LARGE,
                f"The document has {len(request.content)} bytes; UploadDocument takes at most "
                f"{self.unary_upload_max_bytes}. Send it in pieces with UploadDocuments.",
                metadata={"limit_bytes": str(self.unary_upload_max_bytes)},
            )
        faults = Violations()
        filename = request.filename.strip()
        faults.require(
            1 <= len(filename) <= MAX_FILENAME_CHARACTERS,
            "filename",
            f"Must have 1 to {MAX_FILENAME_CHARACTERS} characters.",
        )
        faults.require(
            len(request.source) <= MAX_SOURCE_CHARACTERS,
            "source",
            f"Must have at most {MAX_SOURCE_CHARACTERS} characters.",
        )
        _known(faults, DocumentType, request.type, "type")
        _known(faults, IfExistsPolicy, request.if_exists, "if_exists")
        known = not request.language or language_code(request.language) is not None
        faults.require(known, "language", f"Must be {EXAMPLES}.")
        if request.HasField("metadata"):
            _metadata(faults, request)
        faults.raise_if_any()

    def document_id(self, request: pb.GetDocumentRequest | pb.DeleteDocumentRequest) -> None:
        """A request that names a document and nothing else."""
        faults = Violations()
        _document_id(faults, request.document_id)
        faults.raise_if_any()

    def list_documents(self, request: pb.ListDocumentsRequest) -> None:
        """A page of documents."""
        faults = Violations()
        _within(faults, request.page_size, 0, MAX_PAGE_SIZE, "page_size")
        _all_known(faults, DocumentStatus, request.statuses, "statuses")
        _all_known(faults, DocumentType, request.types, "types")
        check_filter(faults, request.filter, "filter")
        faults.raise_if_any()

    def get_passage(self, request: pb.GetPassageRequest) -> None:
        """A span of a document."""
        faults = Violations()
        _document_id(faults, request.document_id)
        faults.require(
            len(request.version) <= MAX_NAME_CHARACTERS,
            "version",
            "Must be the version of a citation, or empty for the live one.",
        )
        faults.require(request.char_start >= 0, "char_start", "Must be 0 or more.")
        faults.require(request.char_end > request.char_start, "char_end", "Must be greater than char_start.")
        if request.HasField("context_characters"):
            _within(faults, request.context_characters, 0, MAX_CONTEXT_CHARACTERS, "context_characters")
        faults.raise_if_any()

    def conversation_id(self, request: pb.GetConversationRequest | pb.DeleteConversationRequest) -> None:
        """A request that names a conversation and nothing else."""
        faults = Violations()
        faults.require(
            bool(_CONVERSATION_ID.match(request.conversation_id)),
            "conversation_id",
            "Must have 1 to 128 characters of [A-Za-z0-9._:-].",
        )
        faults.raise_if_any()

    def override_breaker(self, request: admin.OverrideBreakerRequest) -> None:
        """An operator's word on a breaker."""
        faults = Violations()
        faults.require(bool(request.target), "target", "Must name a breaker: a `target` of GetSystemStatus.")
        _known(faults, admin.BreakerOverride, request.override, "override")
        faults.require(
            request.override != admin.BREAKER_OVERRIDE_UNSPECIFIED,
            "override",
            "Must be AUTOMATIC, FORCE_OPEN or FORCE_CLOSED.",
        )
        if request.HasField("duration"):
            faults.require(
                request.override != admin.BREAKER_OVERRIDE_AUTOMATIC,
                "duration",
                "Must be absent with AUTOMATIC, which has no end.",
            )
            faults.require(
                0 < (override_seconds(request) or 0) <= MAX_OVERRIDE_SECONDS,
                "duration",
                "Must be more than 0 and at most 30 days.",
            )
        faults.raise_if_any()

    def _text(self, faults: Violations, text: str, field: str) -> None:
        # Cleaning megabytes would keep everybody else waiting.
        whole = len(text) <= _PADDING * self.question_max_characters
        length = len(clean_question(text)) if whole else len(text)
        faults.require(length > 0, field, "Must not be empty.")
        faults.require(
            length <= self.question_max_characters,
            field,
            f"Must have at most {self.question_max_characters} characters; this one has {length}.",
        )


def _search_options(
    faults: Violations, request: pb.QueryRequest | pb.SearchRequest, prefix: str, most_passages: int
) -> None:
    _within(faults, request.max_per_document, 0, most_passages, prefix + "max_per_document")
    _within(faults, request.expand_chunks, 0, MAX_EXPAND_CHUNKS, prefix + "expand_chunks")
    _known(faults, SearchMode, request.mode, prefix + "mode")
    if request.HasField("score_threshold"):
        threshold = request.score_threshold
        faults.require(
            math.isfinite(threshold) and 0 <= threshold <= 1,
            prefix + "score_threshold",
            "Must be between 0 and 1.",
        )
    check_filter(faults, request.filter, prefix + "filter")


def _document_id(faults: Violations, value: str) -> None:
    faults.require(
        bool(_UUID.match(value)),
        "document_id",
        "Must be a UUID such as 2f1c9a4e-0b7d-5c3e-9a1f-6d2b8e4c7a90; ListDocuments has them.",
    )


def _metadata(faults: Violations, request: pb.UploadDocumentRequest) -> None:
    try:
        fits = fits_as_json(request.metadata, MAX_METADATA_BYTES)
    except ValueError:
        faults.add("metadata", "Must be plain JSON: NaN and infinite numbers are not.")
        return
    faults.require(fits, "metadata", f"Must be at most {MAX_METADATA_BYTES} bytes as JSON.")


def _within(faults: Violations, value: int, low: int, high: int, field: str) -> None:
    faults.require(low <= value <= high, field, f"Must be {low} to {high}.")


def _known(faults: Violations, enum: Any, value: int, field: str) -> None:
    faults.require(
        value in enum.values(), field, f"Must be one of {', '.join(name for name, _ in enum.items())}."
    )


def _all_known(faults: Violations, enum: Any, values: Sequence[int], field: str) -> None:
    if len(values) > MAX_ANY_OF:
        faults.add(field, f"Must have at most {MAX_ANY_OF} values; this one has {len(values)}.")
        return  # looking at each of millions would keep everybody else waiting
    for index, value in enumerate(values):
        _known(faults, enum, value, f"{field}[{index}]")
