"""Messages to domain objects, with every fault of a request named at once."""

from __future__ import annotations

import math
import re

from docuquery.common.v1 import document_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import Violations
from services.retrieval.attempts.completeness import Completion
from services.retrieval.conversion.enums import (
    MODES,
    POLICIES,
    STAGES,
    STATUSES,
    TYPES,
    known,
    language_from_proto,
    optional,
)
from services.retrieval.conversion.filter import (
    filter_from_proto,
    has_only_finite_numbers,
    json_from_struct,
)
from services.retrieval.documents.lifecycle import News
from services.retrieval.documents.listing import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, PageRequest
from services.retrieval.model import Description, DocumentError, IfExists, Stage
from services.retrieval.search.expansion import MAX_EXPAND_CHUNKS
from services.retrieval.search.passages import MAX_CONTEXT_CHARACTERS, PassageRequest
from services.retrieval.search.searcher import MAX_LIMIT, MAX_QUERY_CHARACTERS, Mode, SearchRequest

MAX_METADATA_BYTES = 64 * 1024
_MAX_SOURCE_CHARACTERS = 2000
_VERSION = re.compile(r"(?:[0-9a-f]{64})?\Z")
_VERSION_RULE = "must be a SHA-256 in lower-case hex, or empty while it is not known"


def begin_from_proto(request: pb.BeginAttemptRequest) -> tuple[str, Description, str, IfExists]:
    """Source, description, version and policy. Raises INVALID_REQUEST."""
    faults = Violations()
    faults.require(
        0 < len(request.source) <= _MAX_SOURCE_CHARACTERS,
        "source",
        f"must be 1 to {_MAX_SOURCE_CHARACTERS} characters",
    )
    faults.require(
        0 < len(request.filename) <= _MAX_SOURCE_CHARACTERS,
        "filename",
        f"must be 1 to {_MAX_SOURCE_CHARACTERS} characters",
    )
    faults.require(request.size_bytes >= 0, "size_bytes", "must be 0 or more")
    faults.require(
        request.metadata.ByteSize() <= MAX_METADATA_BYTES,
        "metadata",
        f"must be at most {MAX_METADATA_BYTES} bytes",
    )
    faults.require(bool(_VERSION.match(request.version)), "version", _VERSION_RULE)
    metadata = json_from_struct(request.metadata)
    faults.require(has_only_finite_numbers(metadata), "metadata", "must hold finite numbers only")
    if_exists = known(POLICIES, request.if_exists, "if_exists", faults)
    type_ = optional(TYPES, request.type, "type", faults)
    faults.raise_if_any()
    description = Description(
        request.filename, type_, request.size_bytes, metadata, keeps_metadata=not request.HasField("metadata")
    )
    return request.source, description, request.version, if_exists or IfExists.REPLACE


def news_from_proto(request: pb.UpdateAttemptRequest) -> News:
    """What an UpdateAttempt says. Raises INVALID_REQUEST."""
    faults = Violations()
    stage = optional(STAGES, request.stage, "stage", faults)
    faults.require(stage is not Stage.DONE, "stage", "CommitAttempt and FailAttempt end an attempt")
    type_ = optional(TYPES, request.type, "type", faults)
    faults.require(request.size_bytes >= 0, "size_bytes", "must be 0 or more")
    faults.require(bool(_VERSION.match(request.version)), "version", _VERSION_RULE)
    faults.raise_if_any()
    return News(stage, request.version, type_, request.size_bytes)


def completion_from_proto(request: pb.CommitAttemptRequest) -> Completion:
    """What the version consists of. Raises INVALID_REQUEST."""
    faults = Violations()
    faults.require(request.chunk_count >= 1, "chunk_count", "must be 1 or more")
    faults.require(request.page_count >= 0, "page_count", "must be 0 or more")
    faults.require(request.character_count >= 1, "character_count", "must be 1 or more")
    language = language_from_proto(request.language, faults)
    faults.raise_if_any()
    return Completion(
        request.chunk_count, request.page_count, request.character_count, request.title, language
    )


def error_from_proto(message: document_pb2.DocumentError) -> DocumentError:
    """Why an attempt failed. Raises INVALID_REQUEST."""
    faults = Violations()
    known_reason = message.reason != 0 and message.reason in reasons.ErrorReason.values()
    faults.require(known_reason, "error.reason", "must be one of the reasons the contract names")
    faults.require(bool(message.message.strip()), "error.message", "must be a sentence")
    faults.raise_if_any()
    return DocumentError(message.reason, message.message, message.retryable, dict(message.metadata))


def page_request_from_proto(request: pb.ListDocumentsRequest) -> PageRequest:
    """Which page of which listing. Raises INVALID_REQUEST."""
    faults = Violations()
    faults.require(
        0 <= request.page_size <= MAX_PAGE_SIZE,
        "page_size",
        f"must be 1 to {MAX_PAGE_SIZE}, or 0 for {DEFAULT_PAGE_SIZE}",
    )
    statuses = [known(STATUSES, s, f"statuses[{i}]", faults) for i, s in enumerate(request.statuses)]
    types = [known(TYPES, t, f"types[{i}]", faults) for i, t in enumerate(request.types)]
    wanted = filter_from_proto(request.filter, faults)
    faults.raise_if_any()
    return PageRequest(
        size=request.page_size or DEFAULT_PAGE_SIZE,
        token=request.page_token,
        statuses=frozenset(status for status in statuses if status),
        types=frozenset(type_ for type_ in types if type_),
        filter=wanted,
    )


def search_from_proto(request: pb.SearchRequest, default_threshold: float) -> SearchRequest:
    """The question. Raises INVALID_REQUEST."""
    faults = Violations()
    faults.require(
        bool(request.query.strip()) and len(request.query) <= MAX_QUERY_CHARACTERS,
        "query",
        f"must be 1 to {MAX_QUERY_CHARACTERS} characters, not all of them white space",
    )
    faults.require(1 <= request.limit <= MAX_LIMIT, "limit", f"must be 1 to {MAX_LIMIT}")
    threshold = request.score_threshold if request.HasField("score_threshold") else default_threshold
    faults.require(math.isfinite(threshold) and 0.0 <= threshold <= 1.0, "score_threshold", "must be 0 to 1")
    faults.require(
        0 <= request.max_per_document <= MAX_LIMIT,
        "max_per_document",
        f"must be 1 to {MAX_LIMIT}, or 0 for no cap",
    )
    faults.require(
        0 <= request.expand_chunks <= MAX_EXPAND_CHUNKS, "expand_chunks", f"must be 0 to {MAX_EXPAND_CHUNKS}"
    )
    mode = known(MODES, request.mode, "mode", faults)
    wanted = filter_from_proto(request.filter, faults)
    faults.raise_if_any()
    return SearchRequest(
        query=request.query,
        limit=request.limit,
        mode=mode or Mode.HYBRID,
        filter=wanted,
        score_threshold=threshold,
        rerank=request.rerank if request.HasField("rerank") else None,
        max_per_document=request.max_per_document,
        expand_chunks=request.expand_chunks,
    )


def passage_request_from_proto(request: pb.GetPassageRequest) -> PassageRequest:
    """Which piece of which text. Raises INVALID_REQUEST."""
    faults = Violations()
    faults.require(request.char_start >= 0, "char_start", "must be 0 or more")
    faults.require(request.char_end > request.char_start, "char_end", "must be more than char_start")
    faults.require(
        0 <= request.context_characters <= MAX_CONTEXT_CHARACTERS,
        "context_characters",
        f"must be 0 to {MAX_CONTEXT_CHARACTERS}",
    )
    faults.raise_if_any()
    return PassageRequest(
        request.document_id,
        request.version,
        request.char_start,
        request.char_end,
        request.context_characters,
    )
