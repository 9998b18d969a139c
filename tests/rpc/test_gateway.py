"""Every public RPC of the gateway, over loopback, with the services behind it scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from docuquery.common.v1.answer_pb2 import OUTCOME_ANSWERED
from docuquery.common.v1.conversation_pb2 import Conversation, Turn
from docuquery.common.v1.document_pb2 import UploadResult
from docuquery.common.v1.passage_pb2 import SEARCH_MODE_HYBRID, SEARCH_MODE_SPARSE
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from tests.rpc.gateway_support import DOCUMENT_ID, UNKNOWN_ID, System, answering, failure_of, running


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as running_system:
        yield running_system


async def failed(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return failure_of(error.value)


async def test_a_document_can_be_looked_at(system: System) -> None:
    response = await system.api.GetDocument(pb.GetDocumentRequest(document_id=DOCUMENT_ID.upper()))
    assert response.document.filename == "leave.md"


async def test_documents_are_listed_by_pages(system: System) -> None:
    response = await system.api.ListDocuments(pb.ListDocumentsRequest(page_size=7, page_token="t", types=[2]))
    assert (len(response.documents), response.next_page_token) == (1, "more")
    (seen,) = system.retrieval.calls("ListDocuments")
    assert (seen.request.page_size, seen.request.page_token, list(seen.request.types)) == (7, "t", [2])


async def test_deleting_says_how_much_went(system: System) -> None:
    response = await system.api.DeleteDocument(pb.DeleteDocumentRequest(document_id=DOCUMENT_ID))
    assert response.deleted_chunk_count == 3


async def test_stats_are_counted(system: System) -> None:
    response = await system.api.GetStats(pb.GetStatsRequest())
    assert (response.indexed_document_count, response.chunk_count, response.store) == (1, 3, "memory")


async def test_a_search_brings_passages(system: System) -> None:
    response = await system.api.Search(pb.SearchRequest(query=" sick leave \n"))
    assert [passage.text for passage in response.passages] == ["Sick leave: ten days."]
    assert list(response.degradations) == []
    assert response.latency_ms > 0
    (seen,) = system.retrieval.calls("Search")
    assert (seen.request.query, seen.request.limit, seen.request.mode) == (
        "sick leave",
        10,
        SEARCH_MODE_HYBRID,
    )
    assert not seen.request.HasField("score_threshold")


async def test_a_search_without_an_embedder_goes_by_words_and_says_so(system: System) -> None:
    system.retrieval.embedder_down = True
    response = await system.api.Search(pb.SearchRequest(query="sick leave"))
    assert len(response.passages) == 1
    assert [d.kind for d in response.degradations] == [1]  # SPARSE_ONLY
    assert [seen.request.mode for seen in system.retrieval.calls("Search")] == [
        SEARCH_MODE_HYBRID,
        SEARCH_MODE_SPARSE,
    ]


async def test_a_passage_is_shown_with_its_surroundings(system: System) -> None:
    request = pb.GetPassageRequest(document_id=DOCUMENT_ID, version="v", char_start=12, char_end=20)
    response = await system.api.GetPassage(request)
    assert (response.text, response.span.char_start) == ("ten days", 12)
    (seen,) = system.retrieval.calls("GetPassage")
    assert (seen.request.version, seen.request.context_characters) == ("v", 300)


async def test_a_question_is_answered(system: System) -> None:
    system.providers(a=[answering("a")])
    response = await system.api.Query(pb.QueryRequest(question="How many days?"))
    result = response.result
    assert (result.answer, result.outcome, result.provider) == ("Ten days.", OUTCOME_ANSWERED, "a")
    assert [source.chunk_id for source in result.sources] == ["c1"]
    assert result.citations[0].quote == "ten days"
    assert [(a.provider, a.model, a.error_reason) for a in result.attempts] == [("a", "a-model", 0)]
    assert list(result.degradations) == []
    assert result.latency.total_ms >= result.latency.generation_ms > 0
    assert len(result.query_id) == 36
    assert result.HasField("time")


async def test_a_streamed_answer_has_its_events_in_order_and_one_end(system: System) -> None:
    system.providers(a=[answering("a")])
    call = system.api.StreamQuery(pb.StreamQueryRequest(query=pb.QueryRequest(question="How many days?")))
    events = [event async for event in call]
    assert [event.WhichOneof("event") for event in events] == [
        "retrieved",
        "started",
        "text_delta",
        "text_delta",
        "citation",
        "completed",
    ]
    result = events[-1].completed
    assert "".join(event.text_delta for event in events) == result.answer
    assert result.query_id == events[0].retrieved.query_id
    assert result.latency.first_token_ms > 0
    assert result.attempts[0].first_token_ms > 0


async def test_a_conversation_can_be_read_and_forgotten(system: System) -> None:
    system.answer.conversations["default", "c1"] = Conversation(
        conversation_id="c1", turns=[Turn(question="?"), Turn(question="??")]
    )
    read = await system.api.GetConversation(pb.GetConversationRequest(conversation_id="c1"))
    assert [turn.question for turn in read.conversation.turns] == ["?", "??"]
    gone = await system.api.DeleteConversation(pb.DeleteConversationRequest(conversation_id="c1"))
    assert gone.deleted_turn_count == 2


async def test_prompts_are_listed(system: System) -> None:
    response = await system.api.ListPrompts(pb.ListPromptsRequest())
    assert [prompt.version for prompt in response.prompts] == ["v2"]


async def test_a_small_document_is_uploaded_in_one_call(system: System) -> None:
    content = bytes(range(256)) * 3000
    response = await system.api.UploadDocument(
        pb.UploadDocumentRequest(filename="a.bin", content=content, source="s")
    )
    assert response.result == UploadResult.UPLOAD_RESULT_CREATED
    assert response.document.size_bytes == len(content)
    assert list(system.ingest.contents.values()) == [content]
    assert max(system.ingest.pieces) == 256 * 1024


async def test_the_status_names_every_component_provider_and_breaker(system: System) -> None:
    system.providers(a=[answering("a")])
    status = await system.api.GetSystemStatus(pb.GetSystemStatusRequest())
    assert status.state == pb.COMPONENT_STATE_SERVING
    assert [component.name for component in status.components] == ["gateway", "ingest", "retrieval", "answer"]
    assert all(component.latency_ms > 0 for component in status.components[1:])
    assert [(p.name, p.available) for p in status.providers] == [("a", True), ("extractive", True)]
    assert [breaker.target for breaker in status.breakers] == [
        "service:answer",
        "service:ingest",
        "service:retrieval",
        "provider:a/a-model",
        "provider:extractive/extractive-model",
    ]
    assert {breaker.state for breaker in status.breakers} == {pb.BREAKER_STATE_CLOSED}
    assert (status.reindex.chunks_done, status.reindex.chunk_count) == (3, 9)
    assert status.version


async def test_an_operator_takes_a_provider_out_and_puts_it_back(system: System) -> None:
    system.providers(a=[answering("a")], b=[answering("b")])
    await system.api.Query(pb.QueryRequest(question="How many days?"))
    forced = await system.admin.OverrideBreaker(
        admin.OverrideBreakerRequest(target="provider:a/a-model", override=admin.BREAKER_OVERRIDE_FORCE_OPEN)
    )
    assert (forced.breaker.state, forced.breaker.forced) == (pb.BREAKER_STATE_OPEN, True)
    during = await system.api.Query(pb.QueryRequest(question="How many days?"))
    await system.admin.OverrideBreaker(
        admin.OverrideBreakerRequest(target="provider:a/a-model", override=admin.BREAKER_OVERRIDE_AUTOMATIC)
    )
    after = await system.api.Query(pb.QueryRequest(question="How many days?"))
    assert (during.result.provider, after.result.provider) == ("b", "a")


async def test_an_unknown_breaker_is_named(system: System) -> None:
    request = admin.OverrideBreakerRequest(
        target="service:nobody", override=admin.BREAKER_OVERRIDE_FORCE_OPEN
    )
    failure = await failed(system.admin.OverrideBreaker(request))
    assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["target"])


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("Query", pb.QueryRequest(top_k=0, conversation_id="?"), ["question", "conversation_id", "top_k"]),
        ("Search", pb.SearchRequest(limit=201), ["query", "limit"]),
        ("GetDocument", pb.GetDocumentRequest(document_id="42"), ["document_id"]),
        ("DeleteDocument", pb.DeleteDocumentRequest(), ["document_id"]),
        ("ListDocuments", pb.ListDocumentsRequest(page_size=-1, types=[77]), ["page_size", "types[0]"]),
        ("GetPassage", pb.GetPassageRequest(char_start=5, char_end=5), ["document_id", "char_end"]),
        ("GetConversation", pb.GetConversationRequest(), ["conversation_id"]),
        ("DeleteConversation", pb.DeleteConversationRequest(), ["conversation_id"]),
        ("UploadDocument", pb.UploadDocumentRequest(content=b"x", type=77), ["filename", "type"]),
    ],
)
async def test_all_faults_of_a_request_come_back_at_once_before_any_work(
    system: System, method: str, request_: Any, fields: list[str]
) -> None:
    failure = await failed(getattr(system.api, method)(request_))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert failure.fields == fields
    assert system.retrieval.seen == system.ingest.seen == system.answer.seen == []


async def test_a_streamed_query_is_checked_too(system: System) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async for _ in system.api.StreamQuery(pb.StreamQueryRequest()):
            pytest.fail("nothing comes")
    assert failure_of(error.value).fields == ["query.question"]


@pytest.mark.parametrize(
    ("method", "request_", "reason"),
    [
        ("GetDocument", pb.GetDocumentRequest(document_id=UNKNOWN_ID), "DOCUMENT_NOT_FOUND"),
        ("DeleteDocument", pb.DeleteDocumentRequest(document_id=UNKNOWN_ID), "DOCUMENT_NOT_FOUND"),
        (
            "GetPassage",
            pb.GetPassageRequest(document_id=UNKNOWN_ID, char_end=1),
            "DOCUMENT_NOT_FOUND",
        ),
        ("GetConversation", pb.GetConversationRequest(conversation_id="c9"), "CONVERSATION_NOT_FOUND"),
        ("DeleteConversation", pb.DeleteConversationRequest(conversation_id="c9"), "CONVERSATION_NOT_FOUND"),
    ],
)
async def test_what_a_service_raises_reaches_the_caller_with_its_reason(
    system: System, method: str, request_: Any, reason: str
) -> None:
    failure = await failed(getattr(system.api, method)(request_))
    assert (failure.code, failure.reason, failure.domain) == (
        grpc.StatusCode.NOT_FOUND,
        reason,
        "docuquery",
    )
    assert failure.metadata["request_id"]


async def test_a_document_beyond_the_unary_limit_is_told_the_way(system: System) -> None:
    request = pb.UploadDocumentRequest(filename="big", content=b"x" * (4 * 1024 * 1024 + 1))
    failure = await failed(system.api.UploadDocument(request))
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert failure.metadata["limit_bytes"] == str(4 * 1024 * 1024)
    assert "UploadDocuments" in failure.message


async def test_a_document_of_exactly_the_unary_limit_passes(system: System) -> None:
    request = pb.UploadDocumentRequest(filename="big", content=b"x" * (4 * 1024 * 1024))
    response = await system.api.UploadDocument(request)
    assert response.document.size_bytes == 4 * 1024 * 1024


async def test_a_document_that_cannot_be_ingested_fails_with_ingest_s_reason(system: System) -> None:
    failure = await failed(
        system.api.UploadDocument(pb.UploadDocumentRequest(filename="scan.pdf", content=b"no text"))
    )
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_TEXT")
    assert failure.message == "The document holds no text."
