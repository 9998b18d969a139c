"""Bulk uploads through the gateway."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from libs.rpc.context import CallContext, Identity, enter_call
from libs.rpc.deadlines import Deadline
from libs.rpc.reachability import Reachability
from services.gateway.breakers.model import BreakerPolicy
from services.gateway.breakers.registry import Breakers
from services.gateway.downstream.clients import IngestClient
from services.gateway.downstream.guard import Link
from services.gateway.uploads.proxy import UploadPolicy, UploadProxy
from tests.rpc.gateway_support import Failure, System, failure_of, running, until


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with running() as running_system:
        yield running_system


def document(upload_id: str, *pieces: bytes) -> list[pb.UploadDocumentsRequest]:
    return [
        pb.UploadDocumentsRequest(upload_id=upload_id, header=UploadHeader(filename=f"{upload_id}.txt")),
        *(pb.UploadDocumentsRequest(upload_id=upload_id, data=piece) for piece in pieces),
        pb.UploadDocumentsRequest(upload_id=upload_id, footer=UploadFooter()),
    ]


def events(responses: Iterable[pb.UploadDocumentsResponse]) -> list[tuple[str, str | None]]:
    return [(response.upload_id, response.progress.WhichOneof("event")) for response in responses]


async def rest_of(
    call: AsyncIterable[pb.UploadDocumentsResponse],
) -> tuple[list[pb.UploadDocumentsResponse], Failure | None]:
    """All further acknowledgements, and how the stream failed if it did."""
    responses = []
    try:
        async for response in call:
            responses.append(response)
    except grpc.aio.AioRpcError as error:
        return responses, failure_of(error)
    return responses, None


async def upload(
    system: System, messages: Iterable[pb.UploadDocumentsRequest]
) -> tuple[list[pb.UploadDocumentsResponse], Failure | None]:
    return await rest_of(system.api.UploadDocuments(iter(messages)))


async def test_documents_go_in_pieces_and_each_is_acknowledged(system: System) -> None:
    messages = [*document("1", b"ab", b"cd"), *document("2", b"ef")]
    responses, failed = await upload(system, messages)
    assert failed is None
    assert events(responses) == [("1", "received"), ("1", "done"), ("2", "received"), ("2", "done")]
    assert system.ingest.contents == {"1": b"abcd", "2": b"ef"}


async def test_documents_may_interleave(system: System) -> None:
    first, second = document("1", b"a", b"b"), document("2", b"c", b"d")
    mixed = [message for pair in zip(first, second, strict=True) for message in pair]
    responses, failed = await upload(system, mixed)
    assert failed is None
    assert system.ingest.contents == {"1": b"ab", "2": b"cd"}
    assert len(responses) == 4


async def test_one_bad_document_never_ends_the_stream(system: System) -> None:
    messages = [*document("1", b"a"), *document("bad", b"no text"), *document("3", b"c")]
    responses, failed = await upload(system, messages)
    assert failed is None
    assert events(responses)[3] == ("bad", "failed")
    assert responses[3].progress.failed.reason == reasons.ERROR_REASON_NO_TEXT
    assert events(responses)[-1] == ("3", "done")


async def test_a_piece_over_a_mebibyte_fails_its_document_only(system: System) -> None:
    messages = [*document("1", b"x" * (1024 * 1024 + 1)), *document("2", b"x" * 1024 * 1024)]
    responses, failed = await upload(system, messages)
    assert failed is None
    assert ("1", "failed") in events(responses)
    assert ("2", "done") in events(responses)
    assert list(system.ingest.contents) == ["2"]


async def test_acknowledgements_come_while_the_stream_is_still_open(system: System) -> None:
    call = system.api.UploadDocuments()
    for message in document("1", b"a"):
        await call.write(message)
    assert events([await call.read(), await call.read()]) == [("1", "received"), ("1", "done")]
    for message in document("2", b"b"):
        await call.write(message)
    assert events([await call.read(), await call.read()]) == [("2", "received"), ("2", "done")]
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK


async def test_a_caller_who_leaves_takes_the_stream_to_ingest_along(system: System) -> None:
    call = system.api.UploadDocuments()
    await call.write(document("1")[0])
    await until(lambda: system.ingest.under_way == 1)
    call.cancel()
    await until(lambda: system.ingest.under_way == 0)


async def test_when_ingest_is_killed_each_unfinished_document_fails_retryably(system: System) -> None:
    call = system.api.UploadDocuments()
    for message in [*document("1", b"a"), *document("2", b"hang"), *document("3", b"c")[:2]]:
        await call.write(message)
    responses = aiter(call)
    first = [await anext(responses), await anext(responses)]
    await until(lambda: len(system.ingest.pieces) >= 2)
    await system.relays["ingest"].cut()
    rest, failed = await rest_of(responses)
    assert events([*first, *rest]) == [("1", "received"), ("1", "done"), ("2", "failed"), ("3", "failed")]
    for response in rest:
        said = response.progress.failed
        assert (said.reason, said.retryable) == (reasons.ERROR_REASON_SERVICE_UNAVAILABLE, True)
    assert failed is not None
    assert (failed.code, failed.metadata["service"]) == (grpc.StatusCode.UNAVAILABLE, "ingest")


async def test_after_a_restart_of_ingest_everything_can_be_sent_again(system: System) -> None:
    await upload(system, document("1", b"a"))
    await system.relays["ingest"].cut()
    _, failed = await upload(system, document("2", b"b"))
    assert failed is not None
    assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    await system.relays["ingest"].listen()
    async with asyncio.timeout(5):
        while failed is not None:
            await asyncio.sleep(0.2)
            _, failed = await upload(system, document("2", b"b"))
    assert system.ingest.contents["2"] == b"b"


async def test_a_silent_caller_is_given_up() -> None:
    async with running(upload_idle_seconds=0.2) as system:
        call = system.api.UploadDocuments()
        await call.write(document("1")[0])
        responses, failed = await rest_of(call)
        assert events(responses) == [("1", "failed")]
        assert responses[0].progress.failed.retryable
        assert failed is not None
        assert (failed.code, failed.reason) == (grpc.StatusCode.ABORTED, "UPLOAD_INCOMPLETE")
        await until(lambda: system.ingest.under_way == 0)


async def test_a_caller_who_reads_no_acknowledgements_is_given_up() -> None:
    async with running(upload_idle_seconds=0.3, upload_concurrency=1, caller_share=1) as system:
        call = system.api.UploadDocuments()
        for number in range(30):
            for message in document(str(number), b"many words"):
                await call.write(message)
        await until(lambda: system.ingest.under_way == 1)
        await until(lambda: system.ingest.under_way == 0, 10)
        await system.api.UploadDocument(pb.UploadDocumentRequest(filename="a", content=b"a"))
        call.cancel()


async def test_an_ingest_that_has_stalled_is_given_up() -> None:
    async with running(upload_stall_seconds=0.3) as system:
        responses, failed = await upload(system, document("1", b"hang"))
        assert failed is not None
        assert failed.reason == "SERVICE_UNAVAILABLE"
        assert events(responses) == [("1", "failed")]
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await system.api.UploadDocument(pb.UploadDocumentRequest(filename="a", content=b"hang"))
        assert failure_of(error.value).reason == "SERVICE_UNAVAILABLE"


async def test_an_upload_has_no_total_deadline_of_its_own() -> None:
    async with running(query_max_seconds=0.2, upload_idle_seconds=5) as system:
        call = system.api.UploadDocuments()
        for message in document("1", b"a", b"b"):
            await call.write(message)
            await asyncio.sleep(0.1)
        assert (await call.read()).progress.WhichOneof("event") == "received"
        assert (await call.read()).progress.WhichOneof("event") == "done"
        call.cancel()


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def test_a_large_upload_passes_in_constant_memory(system: System) -> None:
    system.ingest.keeps_content = False
    piece, sizes = os.urandom(1024 * 1024), []

    async def messages() -> AsyncIterator[pb.UploadDocumentsRequest]:
        for number in range(10):
            for message in document(str(number), *[piece] * 20):
                sizes.append(resident_mib())
                yield message

    before = resident_mib()
    responses, failed = await rest_of(system.api.UploadDocuments(messages()))
    assert failed is None
    assert len(system.ingest.pieces) == 200
    assert events(responses).count(("9", "done")) == 1
    # Caller, gateway and ingest are one process here; each holds a message or two, and gRPC its windows.
    assert max(sizes) - before < 120, "200 MiB went through"


async def test_an_upload_whose_channel_is_closed_under_it_fails_at_once(system: System) -> None:
    """As when a channel is exchanged for one with newer certificates, and its time is up."""
    clock = SystemClock()
    enter_call(CallContext("r1", "/x", Identity("default", "test"), Deadline.never(clock)))
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{system.relays['ingest'].port}")
    breakers = Breakers(BreakerPolicy(), monotonic=clock.monotonic, random=lambda: 0.5)
    link = Link("ingest", channel, Reachability("ingest", channel), replicated=False)
    proxy = UploadProxy(IngestClient(link, breakers), clock, UploadPolicy())
    begun = asyncio.Event()

    async def caller() -> AsyncIterator[pb.UploadDocumentsRequest]:
        yield document("1")[0]
        begun.set()
        await asyncio.Event().wait()

    async def run() -> list[pb.UploadDocumentsResponse]:
        responses = []
        with pytest.raises(DocuQueryError) as error:
            async with aclosing(proxy.run(caller(), math.inf)) as acknowledged:
                async for response in acknowledged:
                    responses.append(response)
        assert error.value.reason_name == "SERVICE_UNAVAILABLE"
        return responses

    running_upload = asyncio.create_task(run())
    await begun.wait()
    await until(lambda: system.ingest.under_way == 1)
    await channel.close(0)
    async with asyncio.timeout(20):  # far less than any silence it bears
        (unfinished,) = await running_upload
    assert unfinished.progress.failed.retryable
