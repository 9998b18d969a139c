"""Between the contracts: nothing is lost on the way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from docuquery.answer.v1 import answer_service_pb2 as answer
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.answer_pb2 import (
    DEGRADATION_KIND_CONTEXT_TRUNCATED,
    DEGRADATION_KIND_SPARSE_ONLY,
    Citation,
    RejectedCitation,
    SentenceSupport,
    Usage,
)
from docuquery.common.v1.filter_pb2 import Condition, Filter
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_DENSE, SEARCH_MODE_HYBRID, Passage
from docuquery.common.v1.text_pb2 import PageRange, TextSpan
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.retrieval.v1 import retrieval_service_pb2 as retrieval
from services.gateway import convert
from services.gateway.model import (
    Attempt,
    CacheHit,
    CitationFound,
    Completed,
    Degraded,
    Finished,
    QueryResult,
    Question,
    Retrieved,
    Started,
    TextDelta,
)

FILTER = Filter(conditions=[Condition(field="type", exists=True)])


def unset(message: Message) -> list[str]:
    """Fields of a message that were left at their default."""
    present = {field.name for field, _ in message.ListFields()}
    return [field.name for field in message.DESCRIPTOR.fields if field.name not in present]


def test_what_a_query_leaves_out_gets_its_default() -> None:
    question = convert.question_from_proto(pb.QueryRequest(question=" What?\n"), 7)
    assert question == Question(text="What?", top_k=7, mode=SEARCH_MODE_HYBRID)
    assert question.include_sources


def test_what_a_query_says_is_kept() -> None:
    request = pb.QueryRequest(
        question="What?",
        conversation_id="c1",
        top_k=3,
        include_sources=False,
        filter=FILTER,
        mode=SEARCH_MODE_DENSE,
        score_threshold=0.0,
        prompt_version="v1",
        provider="a",
        rerank=False,
        max_per_document=2,
        expand_chunks=1,
    )
    assert convert.question_from_proto(request, 7) == Question(
        "What?", 3, SEARCH_MODE_DENSE, "c1", False, FILTER, 0.0, "v1", "a", False, 2, 1
    )


def test_a_search_carries_everything_retrieval_needs_and_keeps_absent_apart_from_zero() -> None:
    options = {"filter": FILTER, "score_threshold": 0.0, "rerank": False}
    question = Question("What?", 3, SEARCH_MODE_DENSE, max_per_document=2, expand_chunks=1, **options)
    request = convert.search_request(question, "What is it?")
    assert request == retrieval.SearchRequest(
        query="What is it?", limit=3, mode=SEARCH_MODE_DENSE, max_per_document=2, expand_chunks=1, **options
    )
    assert unset(request) == []
    bare = convert.search_request(Question("What?", 3, SEARCH_MODE_HYBRID), "What?")
    assert unset(bare) == ["filter", "score_threshold", "rerank", "max_per_document", "expand_chunks"]


def test_a_plain_search_has_its_own_default() -> None:
    assert convert.plain_search_request(pb.SearchRequest(query=" leave ")) == retrieval.SearchRequest(
        query="leave", limit=10, mode=SEARCH_MODE_HYBRID
    )
    full = pb.SearchRequest(
        query="leave",
        limit=1,
        mode=SEARCH_MODE_DENSE,
        filter=FILTER,
        score_threshold=0.5,
        rerank=False,
        max_per_document=2,
        expand_chunks=1,
    )
    request = convert.plain_search_request(full)
    assert unset(request) == []
    assert (request.rerank, request.max_per_document, request.expand_chunks) == (False, 2, 1)


def test_events_of_the_answer_service_become_ours() -> None:
    citation = Citation(source_number=1)
    response = answer.GenerateResponse
    assert convert.generation_event_from_proto(response(text_delta="x")) == TextDelta("x")
    assert convert.generation_event_from_proto(response(citation=citation)) == CitationFound(citation)
    started = response(started=answer.GenerationStarted(provider="a", model="m"))
    assert convert.generation_event_from_proto(started) == Started("a", "m")
    done = answer.GenerationCompleted(answer="x")
    assert convert.generation_event_from_proto(response(completed=done)) == Completed(done)
    assert convert.generation_event_from_proto(response()) is None, "an event of a newer service"


def full_result() -> QueryResult:
    generation = answer.GenerationCompleted(
        answer="42.",
        citations=[Citation(source_number=1)],
        rejected_citations=[RejectedCitation(marker="[9]")],
        sentences=[SentenceSupport(supported=True)],
        groundedness=0.5,
        confidence=0.25,
        outcome=1,
        finish_reason=1,
        usage=Usage(prompt_tokens=3, cost_micro_usd=0),
        provider="a",
        model="m",
        prompt_version="v2",
        degradations=[convert.degradation_to_proto(Degraded(DEGRADATION_KIND_CONTEXT_TRUNCATED, "y"))],
        prompt_sha256="ff",
    )
    return QueryResult(
        query_id="q1",
        question=Question("What?", 5, SEARCH_MODE_HYBRID, conversation_id="c1"),
        standalone_question="What is it?",
        sources=[Passage(chunk_id="c1")],
        generation=generation,
        degradations=[Degraded(DEGRADATION_KIND_SPARSE_ONLY, "x")],
        attempts=[Attempt("a", "m", latency_ms=4.0, first_text_ms=2.0)],
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        total_ms=10,
        retrieval_ms=3,
        generation_ms=7,
        first_text_ms=5,
        cache_hit=CacheHit("What was it?", 0.9, 12.5),
    )


def test_a_result_fills_every_field_of_the_contract() -> None:
    message = convert.result_to_proto(full_result())
    assert unset(message) == []
    assert unset(message.latency) == []
    assert unset(message.cache_hit) == []
    assert [d.kind for d in message.degradations] == [
        DEGRADATION_KIND_SPARSE_ONLY,
        DEGRADATION_KIND_CONTEXT_TRUNCATED,
    ]
    assert message.time.ToDatetime(UTC) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert message.usage.cost_micro_usd == 0
    assert message.usage.HasField("cost_micro_usd")


def test_every_event_has_its_place_in_the_contract() -> None:
    cases = {
        "retrieved": Retrieved("q1", [Passage(chunk_id="c1")]),
        "started": Started("a", "m"),
        "text_delta": TextDelta("x"),
        "citation": CitationFound(Citation(source_number=1)),
        "completed": Finished(full_result()),
    }
    for name, event in cases.items():
        assert convert.event_to_proto(event).WhichOneof("event") == name


def test_an_attempt_that_never_saw_text_says_so_by_silence() -> None:
    failed = convert.attempt_to_proto(Attempt("a", "", reasons.ERROR_REASON_CIRCUIT_OPEN))
    assert (failed.provider, failed.model, failed.error_reason) == (
        "a",
        "",
        reasons.ERROR_REASON_CIRCUIT_OPEN,
    )
    assert not failed.HasField("first_token_ms")


def test_an_upload_message_without_a_part_stays_one() -> None:
    assert convert.ingest_request(pb.UploadDocumentsRequest(upload_id="1")).WhichOneof("part") is None


def test_a_listing_is_passed_on_whole() -> None:
    request = pb.ListDocumentsRequest(page_size=5, page_token="t", statuses=[3], types=[1], filter=FILTER)
    assert unset(convert.list_request(request)) == []
    assert not convert.list_request(pb.ListDocumentsRequest()).HasField("filter")


def test_counts_are_passed_on_whole() -> None:
    stats = retrieval.GetStatsResponse(
        indexed_document_count=1,
        processing_document_count=2,
        failed_document_count=3,
        chunk_count=4,
        character_count=5,
        size_bytes=6,
        embedder="e",
        store="s",
    )
    assert convert.stats_response(stats).SerializeToString() == stats.SerializeToString()


@pytest.mark.parametrize(("given", "asked"), [(None, 300), (0, 0), (20, 20)])
def test_surroundings_have_a_default_that_zero_is_not(given: int | None, asked: int) -> None:
    request = pb.GetPassageRequest(document_id="AB", char_start=1, char_end=2, context_characters=given)
    wanted = convert.passage_request(request)
    assert (wanted.document_id, wanted.context_characters) == ("ab", asked)


def test_a_passage_is_passed_on_whole_and_keeps_what_is_absent_absent() -> None:
    passage = retrieval.GetPassageResponse(
        document={"document_id": "d"},
        text="x",
        before="b",
        after="a",
        span=TextSpan(char_end=1),
        pages=PageRange(first=1, last=1),
        headings=["h"],
    )
    assert convert.passage_response(passage).SerializeToString() == passage.SerializeToString()
    assert not convert.passage_response(retrieval.GetPassageResponse(text="x")).HasField("pages")


def test_metadata_left_out_of_an_upload_stays_out() -> None:
    assert not convert.upload_header(pb.UploadDocumentRequest(filename="a")).HasField("metadata")
    assert convert.upload_header(pb.UploadDocumentRequest(metadata=Struct())).HasField("metadata")
