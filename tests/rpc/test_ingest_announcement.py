"""A document whose bytes take their time is in the store before they are all here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import document_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from libs.errors import DocuQueryError
from tests.rpc.ingest_support import Document, Ingest, running

SLOW = Document("slow.txt", b"The gauge was read at noon. " * 20, "s")


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(tmp_path, workers=1) as ingest:
        yield ingest


async def until(condition: Callable[[], bool]) -> None:
    """Waits up to ten seconds for something that happens elsewhere."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")


async def begun(ingest: Ingest) -> Any:
    """A stream on which SLOW is arriving, once the store knows of it."""
    before = ingest.retrieval.calls["BeginAttempt"]
    call = ingest.open()
    header, first, *_ = SLOW.messages()
    await call.write(header)
    await call.write(first)
    await until(lambda: ingest.retrieval.calls["BeginAttempt"] > before)
    await until(lambda: ingest.retrieval.record("slow.txt").attempt is not None)
    return call


async def finish(call: Any) -> list[ingest_pb.IngestDocumentsResponse]:
    """Ends the document and the stream; what was said."""
    await call.write(SLOW.messages()[-1])
    await call.done_writing()
    return [response async for response in call]


def last(events: list[ingest_pb.IngestDocumentsResponse]) -> Any:
    return events[-1].progress


async def test_it_is_pending_while_it_arrives_and_then_goes_on_as_the_same_attempt(ingest: Ingest) -> None:
    call = await begun(ingest)
    attempt = ingest.retrieval.record("slow.txt").attempt
    assert attempt is not None
    assert attempt.request.version == ""
    assert last(await finish(call)).HasField("done")
    assert ingest.retrieval.calls["BeginAttempt"] == 1
    assert ingest.retrieval.record("slow.txt").live is attempt
    assert len(attempt.request.version) == 64
    assert attempt.request.type == document_pb2.DOCUMENT_TYPE_TEXT


async def test_bytes_that_turn_out_to_be_the_same_are_unchanged(ingest: Ingest) -> None:
    assert (await ingest.upload(SLOW))["s"][-1].HasField("done")
    done = last(await finish(await begun(ingest))).done
    assert done.result == document_pb2.UPLOAD_RESULT_UNCHANGED


async def test_an_upload_that_breaks_off_is_recorded(ingest: Ingest) -> None:
    call = await begun(ingest)
    await call.done_writing()
    failed = last([response async for response in call]).failed
    assert failed.reason == reasons.ERROR_REASON_UPLOAD_INCOMPLETE
    error = ingest.retrieval.record("slow.txt").error
    assert error is not None
    assert error.reason == reasons.ERROR_REASON_UPLOAD_INCOMPLETE


async def test_a_caller_that_goes_away_is_recorded(ingest: Ingest) -> None:
    call = await begun(ingest)
    call.cancel()
    await until(lambda: ingest.retrieval.record("slow.txt").error is not None)
    assert ingest.spooled() == []


async def test_content_that_is_refused_is_recorded_too(ingest: Ingest) -> None:
    call = ingest.open()
    binary = Document("slow.txt", bytes(range(256)) * 4, "s")
    for message in binary.messages()[:-1]:
        await call.write(message)
    await until(lambda: bool(ingest.retrieval.records))
    await until(lambda: ingest.retrieval.record("slow.txt").attempt is not None)
    await asyncio.sleep(0.1)
    await call.write(binary.messages()[-1])
    await call.done_writing()
    failed = last([response async for response in call]).failed
    assert failed.reason == reasons.ERROR_REASON_UNSUPPORTED_DOCUMENT_TYPE
    assert ingest.retrieval.record("slow.txt").error is not None


async def test_a_delete_meanwhile_ends_the_upload(ingest: Ingest) -> None:
    call = await begun(ingest)
    ingest.retrieval.lose("slow.txt")
    events = await finish(call)
    assert last(events).failed.reason == reasons.ERROR_REASON_ATTEMPT_SUPERSEDED
    assert ingest.retrieval.record("slow.txt").live is None


async def test_an_announcement_that_fails_costs_the_document_nothing(ingest: Ingest) -> None:
    broken = DocuQueryError(reasons.ERROR_REASON_INTERNAL, "Something went wrong on our side.")
    ingest.retrieval.failures["BeginAttempt"] = [broken]
    call = ingest.open()
    header, first, *_ = SLOW.messages()
    await call.write(header)
    await call.write(first)
    await until(lambda: ingest.retrieval.calls["BeginAttempt"] > 0)
    assert last(await finish(call)).HasField("done")
