"""Model providers through the whole system: real SDKs, a local model server, four processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery.common.v1 import answer_pb2, error_reason_pb2
from docuquery_client import ApiError
from tests.contract.llm_server import End, Finish, LlmServer, Open, Reset, Status, Text
from tests.e2e.support import running_system

QUESTION = "What is the mascot of the firm?"
OPENAI = (Open(), Text("The mascot of the firm "), Text("is a heron [1]."), Finish("stop"), End())
ANTHROPIC = (Open(), Text("The mascot of the firm is a heron [1]."), Finish("end_turn"), End())


async def test_models_answer_fall_back_and_never_switch_after_the_first_text(tmp_path: Path) -> None:
    async with (
        LlmServer() as openai,
        LlmServer() as anthropic,
        running_system(
            tmp_path,
            OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
            ANTHROPIC_BASE_URL=f"http://127.0.0.1:{anthropic.port}",
            LLM_PROVIDER="openai,anthropic",
        ) as system,
    ):
        client = system.client
        await client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")

        openai.play(*OPENAI)
        anthropic.play(*ANTHROPIC)
        first = await client.ask(QUESTION)
        assert (first.provider, first.outcome) == ("openai", answer_pb2.OUTCOME_ANSWERED)
        assert first.citations[0].verdict == answer_pb2.CITATION_VERDICT_VERBATIM
        assert [event.WhichOneof("event") async for event in client.ask_stream(QUESTION)] == [
            "retrieved",
            "started",
            "text_delta",
            "text_delta",
            "citation",
            "text_delta",
            "completed",
        ]

        openai.play(Status(529))
        second = await client.ask(QUESTION)
        assert second.provider == "anthropic"
        assert [attempt.error_reason for attempt in second.attempts] == [
            error_reason_pb2.ERROR_REASON_PROVIDER_OVERLOADED,
            error_reason_pb2.ERROR_REASON_UNSPECIFIED,
        ]
        assert answer_pb2.DEGRADATION_KIND_PROVIDER_FALLBACK in [d.kind for d in second.degradations]

        openai.play(Open(), Text("The mascot of the firm is a long-legged "), Text("bird, namely"), Reset())
        got = ""
        with pytest.raises(ApiError) as caught:
            async for event in client.ask_stream(QUESTION):
                got += event.text_delta
        assert caught.value.metadata["phase"] == "MID_STREAM"

        for dead in (openai, anthropic):
            dead.play(Status(500))
        last = await client.ask(QUESTION)
        assert last.provider == "extractive"
        assert last.answer == "The mascot of the firm is a heron."
        assert answer_pb2.DEGRADATION_KIND_EXTRACTIVE_ONLY in [d.kind for d in last.degradations]


@pytest.mark.slow
async def test_what_was_asked_before_needs_no_model_until_the_documents_change(tmp_path: Path) -> None:
    """The semantic cache in four processes, through an upload, a delete, and the death of retrieval."""
    async with (
        LlmServer() as openai,
        running_system(
            tmp_path,
            OPENAI_BASE_URL=f"http://127.0.0.1:{openai.port}/v1",
            ENABLE_SEMANTIC_CACHE="true",
        ) as system,
    ):
        client = system.client
        openai.play(*OPENAI)
        heron = await client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
        asked_model = []
        for question in (QUESTION, QUESTION.lower(), f"Hi! {QUESTION}"):
            result = await client.ask(question)
            asked_model.append(not result.HasField("cache_hit"))
            assert result.citations[0].version == heron.document.live_version
        assert asked_model == [True, False, False]
        assert len(openai.requests) == 1

        other = await client.upload_document("lunch.txt", b"Lunch is at noon.")
        assert not (await client.ask(QUESTION)).HasField("cache_hit")
        assert (await client.ask(QUESTION)).HasField("cache_hit")
        await client.delete_document(other.document.document_id)
        assert not (await client.ask(QUESTION)).HasField("cache_hit")

        await system.kill("retrieval")
        await system.restart("retrieval")
        assert not (await client.ask(QUESTION)).HasField("cache_hit"), "answers go with the process"
        assert (await client.ask(QUESTION)).HasField("cache_hit")
        assert len(openai.requests) == 4
