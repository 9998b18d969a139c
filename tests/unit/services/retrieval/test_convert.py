"""Requests that cannot mean anything are refused before the domain sees them, all faults at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import struct_pb2

from docuquery.common.v1 import document_pb2, error_reason_pb2, passage_pb2, text_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from services.retrieval import convert
from services.retrieval.conversion.enums import (
    MODES,
    POLICIES,
    RESULTS,
    STAGES,
    STATUSES,
    TYPES,
)
from services.retrieval.conversion.piece import piece_from_proto
from services.retrieval.model import DocumentType, IfExists, Stage, Status, UploadResult
from services.retrieval.search.searcher import Mode


def fields_refused(convert_request: Callable[..., Any], *arguments: Any) -> list[str]:
    with pytest.raises(DocuQueryError) as caught:
        convert_request(*arguments)
    assert caught.value.reason_name == "INVALID_REQUEST"
    return [violation.field for violation in caught.value.violations]


def test_every_value_of_the_contract_has_a_meaning() -> None:
    """Nothing but UNSPECIFIED is left without one, and nothing of the domain is unreachable."""
    for enum, table, unspecified_allowed, domain in (
        (document_pb2.DocumentType, TYPES, False, DocumentType),
        (document_pb2.DocumentStatus, STATUSES, False, Status),
        (document_pb2.IngestStage, STAGES, False, Stage),
        (document_pb2.IfExistsPolicy, POLICIES, True, IfExists),
        (passage_pb2.SearchMode, MODES, True, Mode),
    ):
        assert set(table) == {v for v in enum.values() if v or unspecified_allowed}
        assert set(table.values()) == set(domain)  # type: ignore[call-overload]  # a StrEnum class
    assert set(RESULTS) == set(UploadResult)
    assert set(RESULTS.values()) == set(document_pb2.UploadResult.values()) - {0}


def test_begin_names_every_fault() -> None:
    metadata = struct_pb2.Struct()
    metadata.update({"x": math.nan, "long": "y" * 70_000})
    request = pb.BeginAttemptRequest(
        source="s" * 2001, version="ABC", type=77, size_bytes=-1, metadata=metadata, if_exists=9
    )
    assert sorted(fields_refused(convert.begin_from_proto, request)) == [
        "filename",
        "if_exists",
        "metadata",
        "metadata",
        "size_bytes",
        "source",
        "type",
        "version",
    ]


def test_begin_without_type_and_policy_detects_and_replaces() -> None:
    source, description, version, policy = convert.begin_from_proto(
        pb.BeginAttemptRequest(source="a/b.txt", filename="b.txt")
    )
    assert (source, version, policy) == ("a/b.txt", "", IfExists.REPLACE)
    assert description.type is None
    assert description.metadata == {}


def test_an_update_cannot_end_an_attempt() -> None:
    request = pb.UpdateAttemptRequest(stage=document_pb2.INGEST_STAGE_DONE, version="x", size_bytes=-5)
    assert fields_refused(convert.news_from_proto, request) == ["stage", "size_bytes", "version"]


def test_a_commit_needs_counts() -> None:
    assert fields_refused(convert.completion_from_proto, pb.CommitAttemptRequest(page_count=-1)) == [
        "chunk_count",
        "page_count",
        "character_count",
    ]


@pytest.mark.parametrize("reason", [0, 9999])
def test_a_failure_needs_a_reason_and_a_sentence(reason: Any) -> None:
    message = document_pb2.DocumentError(reason=reason, message=" ")
    assert fields_refused(convert.error_from_proto, message) == ["error.reason", "error.message"]


def test_a_failure_is_taken_over() -> None:
    message = document_pb2.DocumentError(
        reason=error_reason_pb2.ERROR_REASON_NO_TEXT, message="No text.", retryable=True
    )
    error = convert.error_from_proto(message)
    assert (error.reason, error.message, error.retryable) == (
        error_reason_pb2.ERROR_REASON_NO_TEXT,
        "No text.",
        True,
    )


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"query": "  "}, "query"),
        ({"query": "x" * 4001}, "query"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"score_threshold": 1.5}, "score_threshold"),
        ({"score_threshold": math.nan}, "score_threshold"),
        ({"mode": 99}, "mode"),
    ],
)
def test_a_search_that_is_not_valid_names_the_field(fields: dict[str, Any], refused: str) -> None:
    request = pb.SearchRequest(**({"query": "q", "limit": 5} | fields))
    assert fields_refused(convert.search_from_proto, request, 0.0) == [refused]


def test_the_threshold_of_a_request_overrides_the_setting() -> None:
    plain = convert.search_from_proto(pb.SearchRequest(query="q", limit=1), 0.4)
    assert (plain.score_threshold, plain.mode) == (0.4, Mode.HYBRID)
    zero = convert.search_from_proto(pb.SearchRequest(query="q", limit=1, score_threshold=0.0), 0.4)
    assert zero.score_threshold == 0.0


def test_a_listing_names_every_fault() -> None:
    request = pb.ListDocumentsRequest(page_size=201, statuses=[1, 0], types=[99])  # type: ignore[list-item]  # unknown
    assert fields_refused(convert.page_request_from_proto, request) == [
        "page_size",
        "statuses[1]",
        "types[0]",
    ]
    assert convert.page_request_from_proto(pb.ListDocumentsRequest()).size == 50


def span(start: int, end: int) -> text_pb2.TextSpan:
    return text_pb2.TextSpan(char_start=start, char_end=end, byte_start=start, byte_end=end)


def message(*chunks: pb.Chunk, **fields: Any) -> pb.WriteChunksRequest:
    values: dict[str, Any] = {"text": "alpha beta   gamma", "text_span": span(100, 118), "chunks": chunks}
    return pb.WriteChunksRequest(**(values | fields))


def test_chunks_are_slices_of_the_text() -> None:
    chunk = pb.Chunk(
        ordinal=4,
        span=span(106, 110),
        pages=text_pb2.PageRange(first=2, last=3),
        page_starts=[text_pb2.PageStart(page=3, char_start=108)],
        headings=["A", "B"],
    )
    piece = piece_from_proto(message(chunk, title="T", chunks_total=9, attempt_token="t", document_id="d"))
    (found,) = piece.chunks
    assert (found.text, found.key, found.document_id) == ("beta", ("t", 4), "d")
    assert (found.headings, found.title, piece.chunks_total) == (("A", "B"), "T", 9)
    assert found.pages is not None
    assert (found.pages.first, found.pages.last, found.page_starts[0].char_start) == (2, 3, 108)


def test_a_piece_may_carry_text_alone() -> None:
    assert piece_from_proto(message()).chunks == []


@pytest.mark.parametrize(
    ("request_message", "refused"),
    [
        (message(text=""), ["text_span"]),
        (message(text_span=span(100, 117)), ["text_span"]),
        (message(text_span=span(-1, 17)), ["text_span"]),
        (message(text="älpha beta   gamma"), ["text_span"]),
        (message(chunks_total=-1), ["chunks_total"]),
        (message(*[pb.Chunk(ordinal=i, span=span(100, 105)) for i in range(513)]), ["chunks"]),
        (message(pb.Chunk(ordinal=-1, span=span(100, 105))), ["chunks[0].ordinal"]),
        (message(*[pb.Chunk(ordinal=1, span=span(100, 105))] * 2), ["chunks[1].ordinal"]),
        (message(pb.Chunk(span=span(99, 105))), ["chunks[0].span"]),
        (message(pb.Chunk(span=span(105, 119))), ["chunks[0].span"]),
        (message(pb.Chunk(span=span(105, 105))), ["chunks[0].span"]),
        (message(pb.Chunk(span=span(110, 113))), ["chunks[0].span"]),
        (
            message(pb.Chunk(span=text_pb2.TextSpan(char_start=100, char_end=105, byte_start=0, byte_end=5))),
            ["chunks[0].span"],
        ),
        (
            message(pb.Chunk(span=span(100, 105), pages=text_pb2.PageRange(first=0, last=1))),
            ["chunks[0].pages"],
        ),
        (
            message(pb.Chunk(span=span(100, 105), pages=text_pb2.PageRange(first=3, last=2))),
            ["chunks[0].pages"],
        ),
        (
            message(pb.Chunk(span=span(100, 105), page_starts=[text_pb2.PageStart(page=2, char_start=105)])),
            ["chunks[0].page_starts"],
        ),
        (
            message(
                pb.Chunk(
                    span=span(100, 105),
                    page_starts=[
                        text_pb2.PageStart(page=3, char_start=101),
                        text_pb2.PageStart(page=2, char_start=102),
                    ],
                )
            ),
            ["chunks[0].page_starts"],
        ),
    ],
)
def test_a_piece_whose_offsets_lie_is_refused(
    request_message: pb.WriteChunksRequest, refused: list[str]
) -> None:
    assert fields_refused(piece_from_proto, request_message) == refused
