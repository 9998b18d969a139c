"""The upload proxy between a caller and an ingest service in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsRequest as Request
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsResponse as Response
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.gateway.uploads.ledger import MAX_PIECE_BYTES
from services.gateway.uploads.proxy import UploadPolicy, UploadProxy
from tests.unit.services.gateway.uploads.ingest_fake import DIED, FakeIngest, done, failed, received


class Caller:
    """Sends what it is told, when it is told; `None` half-closes."""

    def __init__(self, *messages: Request | Exception | None) -> None:
        self._queue: asyncio.Queue[Request | Exception | None] = asyncio.Queue()
        self.taken = 0
        self.send(*messages)

    def send(self, *messages: Request | Exception | None) -> None:
        for message in messages:
            self._queue.put_nowait(message)

    async def __aiter__(self) -> AsyncIterator[Request]:
        while (message := await self._queue.get()) is not None:
            if isinstance(message, Exception):
                raise message
            self.taken += 1
            yield message


def document(upload_id: str, *pieces: bytes) -> list[Request]:
    return [
        Request(upload_id=upload_id, header=UploadHeader(filename="a.txt")),
        *(Request(upload_id=upload_id, data=piece) for piece in pieces),
        Request(upload_id=upload_id, footer=UploadFooter()),
    ]


def proxy(ingest: FakeIngest, idle: float = 5, stall: float = 5) -> UploadProxy:
    return UploadProxy(ingest, SystemClock(), UploadPolicy(idle, stall))


def events(responses: list[Response]) -> list[tuple[str, str | None]]:
    return [(response.upload_id, response.progress.WhichOneof("event")) for response in responses]


async def collect(responses: list[Response], proxied: UploadProxy, caller: Caller) -> None:
    async with aclosing(proxied.run(aiter(caller), math.inf)) as stream:
        async for response in stream:
            responses.append(response)


async def broken(
    ingest: FakeIngest, caller: Caller, **limits: float
) -> tuple[list[Response], DocuQueryError]:
    responses: list[Response] = []
    with pytest.raises(DocuQueryError) as error:
        await collect(responses, proxy(ingest, **limits), caller)
    return responses, error.value


async def test_messages_pass_unchanged_in_both_directions() -> None:
    ingest, responses = FakeIngest(obliging=True), list[Response]()
    sent = [*document("1", b"ab", b"cd"), *document("2", b"ef")]
    await collect(responses, proxy(ingest), Caller(*sent, None))
    assert [message.SerializeToString() for message in ingest.received] == [
        message.SerializeToString() for message in sent
    ]
    assert events(responses) == [("1", "received"), ("1", "done"), ("2", "received"), ("2", "done")]
    assert responses[1].document_id == "id-1"
    assert ingest.caller_done
    assert (ingest.opened, ingest.closed) == (1, 1)


async def test_one_bad_document_never_ends_the_stream() -> None:
    ingest, responses = FakeIngest(), list[Response]()
    ingest.says(failed("1"), done("2"), None)
    await collect(responses, proxy(ingest), Caller(*document("1"), *document("2"), None))
    assert events(responses) == [("1", "failed"), ("2", "done")]


async def test_too_large_a_piece_fails_its_document_here_and_the_others_go_on() -> None:
    ingest, responses = FakeIngest(obliging=True), list[Response]()
    large = document("1", b"x" * (MAX_PIECE_BYTES + 1), b"rest")
    await collect(responses, proxy(ingest), Caller(*large, *document("2"), None))
    assert events(responses)[0] == ("1", "failed")
    assert ("2", "done") in events(responses)
    sent_on = [(m.upload_id, m.WhichOneof("part")) for m in ingest.received]
    assert sent_on == [("1", "header"), ("1", None), ("2", "header"), ("2", "footer")], "ingest gives it up"


async def test_what_ingest_says_of_a_document_refused_here_is_not_passed_on() -> None:
    ingest, responses = FakeIngest(), list[Response]()
    caller = Caller(*document("1", b"x" * (MAX_PIECE_BYTES + 1)), None)
    task = asyncio.create_task(collect(responses, proxy(ingest), caller))
    await asyncio.sleep(0.02)
    ingest.says(failed("1"), None)
    await task
    assert events(responses) == [("1", "failed")]
    assert responses[0].progress.failed.reason == reasons.ERROR_REASON_INVALID_REQUEST


async def test_when_ingest_dies_each_unfinished_document_fails_retryably_and_the_stream_ends() -> None:
    ingest = FakeIngest()
    caller = Caller(*document("1"), *document("2"), *document("3")[:1])
    responses: list[Response] = []
    task = asyncio.create_task(collect(responses, proxy(ingest), caller))
    await asyncio.sleep(0.02)
    ingest.says(done("1"), received("2", "id-2"), DIED)
    with pytest.raises(DocuQueryError) as error:
        await task
    assert error.value.reason_name == "SERVICE_UNAVAILABLE"
    assert events(responses) == [("1", "done"), ("2", "received"), ("2", "failed"), ("3", "failed")]
    for response in responses[2:]:
        assert response.progress.failed.reason == reasons.ERROR_REASON_SERVICE_UNAVAILABLE
        assert response.progress.failed.retryable
    assert responses[2].document_id == "id-2"
    assert ingest.closed == 1


async def test_an_ingest_that_takes_no_more_messages_is_believed_what_it_says_at_the_end() -> None:
    ingest = FakeIngest()
    ingest.refuses_writes = True
    ingest.says(DIED)
    _, error = await broken(ingest, Caller(*document("1")))
    assert error is DIED


@pytest.mark.parametrize("last", [None, "caller is not done"])
async def test_an_ingest_that_ends_early_is_an_error_however_politely(last: str | None) -> None:
    ingest = FakeIngest()
    messages = [*document("1"), None] if last is None else []
    caller = Caller(*messages)
    responses: list[Response] = []
    task = asyncio.create_task(collect(responses, proxy(ingest), caller))
    await asyncio.sleep(0.02)
    ingest.says(None)
    with pytest.raises(DocuQueryError) as error:
        await task
    assert error.value.reason_name == "SERVICE_UNAVAILABLE"
    assert events(responses) == ([("1", "failed")] if last is None else [])


async def test_a_silent_caller_is_given_up_and_its_documents_can_be_sent_again() -> None:
    responses, error = await broken(FakeIngest(), Caller(*document("1")[:1]), idle=0.05)
    assert error.reason_name == "UPLOAD_INCOMPLETE"
    assert [(r.upload_id, r.progress.failed.retryable) for r in responses] == [("1", True)]


async def test_any_message_is_a_sign_of_life() -> None:
    ingest, caller, responses = FakeIngest(obliging=True), Caller(), list[Response]()
    task = asyncio.create_task(collect(responses, proxy(ingest, idle=0.6), caller))
    for message in [*document("1", b"a", b"b", b"c", b"d"), None]:
        await asyncio.sleep(0.2)
        caller.send(message)
    await task
    assert events(responses)[-1] == ("1", "done")


async def test_a_caller_waiting_for_ingest_is_not_silent_but_a_stalled_ingest_is_given_up() -> None:
    responses, error = await broken(FakeIngest(), Caller(*document("1")), idle=0.02, stall=0.1)
    assert error.reason_name == "SERVICE_UNAVAILABLE"
    assert error.metadata == {"service": "ingest"}
    assert events(responses) == [("1", "failed")]


async def test_a_stall_is_noticed_although_the_wait_began_while_it_was_the_caller_s_turn() -> None:
    ingest, caller = FakeIngest(), Caller()
    task = asyncio.create_task(broken(ingest, caller, idle=3, stall=0.1))
    await asyncio.sleep(0.02)
    caller.send(*document("1"))
    async with asyncio.timeout(1):
        _, error = await task
    assert error.reason_name == "SERVICE_UNAVAILABLE"


async def test_a_caller_slow_to_read_is_not_silent() -> None:
    ingest = FakeIngest(obliging=True)
    caller = Caller(*document("1"), *document("2"), None)
    seen = 0
    async with aclosing(proxy(ingest, idle=0.05, stall=0.05).run(aiter(caller), math.inf)) as stream:
        async for _ in stream:
            seen += 1
            await asyncio.sleep(0.1)
    assert seen == 4


async def test_nothing_is_read_from_the_caller_while_ingest_takes_nothing() -> None:
    ingest = FakeIngest(obliging=True, write_slots=2)
    caller = Caller(*document("1", *[b"x"] * 50), None)
    responses: list[Response] = []
    task = asyncio.create_task(collect(responses, proxy(ingest), caller))
    await asyncio.sleep(0.02)
    assert caller.taken == 3, "two went through, one is in hand"
    for _ in range(60):
        ingest.writable.release()
    await task
    assert events(responses)[-1] == ("1", "done")


async def test_nothing_is_read_from_ingest_while_the_caller_reads_nothing() -> None:
    ingest = FakeIngest()
    ingest.says(*[received("1")] * 100)
    caller = Caller(*document("1")[:1])
    async with aclosing(proxy(ingest).run(aiter(caller), math.inf)) as stream:
        await anext(stream)
        await asyncio.sleep(0.02)
        assert ingest._says.qsize() >= 80


async def test_leaving_closes_the_stream_to_ingest() -> None:
    ingest = FakeIngest()
    task = asyncio.create_task(collect([], proxy(ingest), Caller(*document("1"))))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ingest.closed == 1


async def test_a_message_that_is_none_ends_the_stream_with_its_fault() -> None:
    wrong = DocuQueryError(reasons.ERROR_REASON_INVALID_REQUEST, "Not a message.")
    responses, error = await broken(FakeIngest(), Caller(document("1")[0], wrong))
    assert error is wrong
    assert events(responses) == [("1", "failed")]


async def test_an_unforeseen_fault_does_not_hang_the_stream_or_leak_its_text() -> None:
    responses: list[Response] = []
    with pytest.raises(ZeroDivisionError):
        await collect(responses, proxy(FakeIngest()), Caller(document("1")[0], ZeroDivisionError("secret")))
    assert "secret" not in responses[0].progress.failed.message
    assert responses[0].progress.failed.reason == reasons.ERROR_REASON_INTERNAL


async def test_the_caller_s_own_deadline_goes_with_the_stream() -> None:
    ingest = FakeIngest(obliging=True)
    async with aclosing(proxy(ingest).run(aiter(Caller(None)), 12.5)) as stream:
        assert [response async for response in stream] == []
    assert ingest.timeouts == [12.5]
