"""What can go wrong under an upload touches one document, and the service goes on.

Parsers that hang, eat or die; a retrieval that is away; callers that leave or break the protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1 import upload_pb2
from docuquery.ingest.v1 import ingest_service_pb2 as ingest_pb
from libs.errors import DocuQueryError
from libs.settings import MIB
from services.ingest.parsers import again
from tests.rpc.ingest_parser_support import dying_of_pdf, misbehaving_read
from tests.rpc.ingest_support import (
    Document,
    Ingest,
    MemoryRetrieval,
    data,
    failed_because,
    failure,
    kinds,
    pdf,
    running,
    serving,
)

GOOD = Document("good.txt", b"Good text.")


@pytest.fixture
async def ingest(tmp_path: Path) -> AsyncIterator[Ingest]:
    """One worker, so that whatever breaks it would be in the way of the next document."""
    async with running(
        tmp_path,
        workers=1,
        read_document=misbehaving_read,
        parse_timeout_seconds=1.0,
        worker_memory_bytes=512 * MIB,
    ) as service:
        yield service


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits until `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes too
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("content", "reason", "retryable"),
    [
        (b"SLEEP 30", "PARSE_TIMEOUT", False),
        (b"SPIN", "PARSE_TIMEOUT", False),
        (b"EAT", "PARSE_LIMIT_EXCEEDED", False),
        (b"NEST", "PARSE_LIMIT_EXCEEDED", False),
        (b"DIE", "PARSER_CRASHED", False),
        (b"BUG", "INTERNAL", False),
    ],
)
async def test_a_parser_that_misbehaves_costs_one_document(
    ingest: Ingest, content: bytes, reason: str, retryable: bool
) -> None:
    """The reason is told and recorded, nothing internal shows, and the next document is read."""
    events = await ingest.upload(Document("bad.txt", content), GOOD)
    error = failure(events["bad.txt"])
    assert failed_because(events["bad.txt"]) == reason
    assert error.retryable is retryable
    assert "secret" not in error.message
    assert ingest.retrieval.record("bad.txt").error == error
    assert kinds(events["good.txt"])[-1] == "done"
    assert ingest.spooled() == []


async def test_a_document_whose_process_died_is_read_once_more(ingest: Ingest) -> None:
    """In a fresh process, and nobody hears of the first one."""
    events = await ingest.upload(Document("odd.txt", b"DIE-ONCE\nall is well"), GOOD)
    assert kinds(events["odd.txt"])[-1] == "done"
    assert ingest.retrieval.live_text("odd.txt").endswith("all is well")
    assert kinds(events["good.txt"])[-1] == "done"


async def test_a_pdf_that_kills_its_reader_is_read_by_the_other_library(tmp_path: Path) -> None:
    """Pages are kept; nothing native is asked a second time."""
    document = Document("odd.pdf", pdf(["Apples are red. " * 9, "Pears are green. " * 9], title="Fruit"))
    async with running(tmp_path, workers=1, read_document=dying_of_pdf, read_again=again.read) as ingest:
        events = (await ingest.upload(document))["odd.pdf"]
        assert kinds(events)[-1] == "done"
        committed = ingest.retrieval.record("odd.pdf").committed
        assert committed is not None
        assert committed.page_count == 2
        assert ingest.retrieval.live_text("odd.pdf").startswith("Apples are red.")
        assert failed_because((await ingest.upload(Document("no.pdf", b"%PDF-1.4 no")))["no.pdf"]) == (
            "DOCUMENT_CORRUPT"
        )


async def test_a_document_that_kills_two_processes_is_given_up(ingest: Ingest) -> None:
    """The sentence says what to do with the file instead of sending it again."""
    message = failure((await ingest.upload(Document("bad.txt", b"DIE")))["bad.txt"]).message
    assert "Two processes died" in message
    assert "export it" in message


async def test_one_document_does_not_wait_behind_another_tenants_many(tmp_path: Path) -> None:
    """Ten streams of one tenant keep forty documents waiting; another tenant's document is read next."""
    crowd = [f"crowd{i}" for i in range(10)]
    async with running(tmp_path, workers=1, read_document=misbehaving_read, documents_in_flight=4) as ingest:

        async def push(name: str) -> None:
            documents = (Document(f"{name}-{i}.txt", b"SLEEP 0.1") for i in range(4))
            await ingest.upload(*documents)

        pushing = [asyncio.create_task(push(name)) for name in crowd]
        await until(lambda: ingest.retrieval.calls["BeginAttempt"] == 40)
        before = ingest.retrieval.calls["commit"]
        events = await ingest.upload(GOOD, tenant="small")
        read_meanwhile = ingest.retrieval.calls["commit"] - 1 - before
        assert kinds(events[GOOD.id])[-1] == "done"
        # The one being read, the one whose turn it was, and what was committed while ours was.
        assert read_meanwhile <= 4
        for task in pushing:
            task.cancel()
        await asyncio.gather(*pushing, return_exceptions=True)


async def test_limits_name_what_was_exceeded(ingest: Ingest) -> None:
    """The sentences say which limit and what to do."""
    events = await ingest.upload(Document("slow.txt", b"SLEEP 30"), Document("fat.txt", b"EAT"))
    assert "longer than 1 seconds" in failure(events["slow.txt"]).message
    assert "memory" in failure(events["fat.txt"]).message


async def test_the_service_answers_while_a_worker_spins(ingest: Ingest) -> None:
    """Health checks come back at once during a parse that uses a whole core."""
    uploading = asyncio.create_task(ingest.upload(Document("bad.txt", b"SPIN")))
    health = health_pb2_grpc.HealthStub(ingest.channel)
    slowest = 0.0
    while not uploading.done():
        begin = time.monotonic()
        answer = await health.Check(health_pb2.HealthCheckRequest())
        slowest = max(slowest, time.monotonic() - begin)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        await asyncio.sleep(0.01)
    assert slowest < 0.9  # the parse takes a second


async def test_workers_are_replaced_after_their_share_of_documents(tmp_path: Path) -> None:
    """With one document a worker, twenty documents still go through."""
    documents = [Document(f"{i}.txt", f"text {i}".encode()) for i in range(20)]
    async with running(tmp_path, workers=2, worker_max_documents=1) as ingest:
        events = await ingest.upload(*documents)
    assert all(kinds(events[d.id])[-1] == "done" for d in documents)


def protocol_fault(
    *messages: ingest_pb.IngestDocumentsRequest,
) -> list[ingest_pb.IngestDocumentsRequest]:
    return list(messages)


X = Document("x.txt", b"text x", "x")
FAULTS = {
    "data before header": (protocol_fault(data("x", b"y"), X.footer()), "UPLOAD_PROTOCOL_VIOLATION"),
    "footer before header": (protocol_fault(X.footer()), "UPLOAD_PROTOCOL_VIOLATION"),
    "second header": (protocol_fault(X.header(), X.header(), *X.pieces()), "UPLOAD_PROTOCOL_VIOLATION"),
    "no part": (
        protocol_fault(X.header(), ingest_pb.IngestDocumentsRequest(upload_id="x")),
        "UPLOAD_PROTOCOL_VIOLATION",
    ),
    "too much data in a message": (
        protocol_fault(X.header(), data("x", b"y" * (MIB + 1))),
        "UPLOAD_PROTOCOL_VIOLATION",
    ),
    "no footer": (protocol_fault(X.header(), *X.pieces()), "UPLOAD_INCOMPLETE"),
    "long upload id": (protocol_fault(data("x" * 129, b"y")), "INVALID_REQUEST"),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_protocol_fault_fails_its_own_document_only(ingest: Ingest, name: str) -> None:
    """One FAILED for it, whatever else comes under its id, and the others of the stream go on."""
    messages, reason = FAULTS[name]
    events = await ingest.send([*messages, *GOOD.messages()])
    bad = next(key for key in events if key != GOOD.id)
    assert failed_because(events[bad]) == reason
    assert failure(events[bad]).retryable is (reason == "UPLOAD_INCOMPLETE")
    assert kinds(events[GOOD.id])[-1] == "done"
    assert ingest.spooled() == []


async def test_messages_after_the_footer_are_refused_and_the_document_stays(ingest: Ingest) -> None:
    """The complete document is ingested; what was sent after it fails by itself, once."""
    for extra in ([X.header(), *X.pieces(), X.footer()], [data("x", b"more"), X.footer()]):
        events = (await ingest.send([*X.messages(), *extra]))["x"]
        names = [str(event.WhichOneof("event")) for event in events]
        assert sorted(n for n in names if n in ("done", "failed")) == ["done", "failed"]
        failed = next(event.failed for event in events if event.WhichOneof("event") == "failed")
        assert failed.reason == reasons.ERROR_REASON_UPLOAD_PROTOCOL_VIOLATION
    assert ingest.retrieval.live_text("x.txt") == "text x"


async def test_too_many_open_uploads_are_refused_not_queued(tmp_path: Path) -> None:
    """The third of two allowed fails as OVERLOADED and retryable; the first two are finished."""
    documents = [Document(f"{i}.txt", b"text") for i in range(3)]
    async with running(tmp_path, workers=1, open_uploads=2) as ingest:
        events = await ingest.send(
            [*(d.header() for d in documents), *(m for d in documents for m in (*d.pieces(), d.footer()))]
        )
    assert failed_because(events["2.txt"]) == "OVERLOADED"
    assert failure(events["2.txt"]).retryable
    assert [kinds(events[f"{i}.txt"])[-1] for i in range(2)] == ["done", "done"]


async def test_a_stream_carries_a_bounded_number_of_documents(tmp_path: Path) -> None:
    """Beyond it documents are refused, and a new stream takes them."""
    async with running(tmp_path, workers=1, max_documents_per_stream=2) as ingest:
        events = await ingest.upload(*(Document(f"{i}.txt", b"text") for i in range(3)))
        assert failed_because(events["2.txt"]) == "OVERLOADED"
        assert kinds(events["1.txt"])[-1] == "done"
        assert kinds((await ingest.upload(Document("2.txt", b"text")))["2.txt"])[-1] == "done"


async def test_ids_without_end_end_the_stream(tmp_path: Path) -> None:
    """A caller that invents upload ids for ever is stopped: remembering them is bounded too."""
    async with running(tmp_path, workers=1, max_documents_per_stream=2) as ingest:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ingest.send(data(f"x{i}", b"y") for i in range(10))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_too_large_a_document_is_refused_before_its_end(tmp_path: Path) -> None:
    """The answer comes while bytes are still being sent; the announced size is enough."""
    async with running(tmp_path, workers=1, max_document_bytes=1000) as ingest:
        call = ingest.open()
        await call.write(Document("a.txt", b"", "a").header())
        await call.write(data("a", b"x" * 1001))
        assert (await call.read()).progress.failed.reason == reasons.ERROR_REASON_DOCUMENT_TOO_LARGE
        await call.write(Document("b.txt", b"", "b", size_bytes=1001).header())
        assert (await call.read()).progress.failed.reason == reasons.ERROR_REASON_DOCUMENT_TOO_LARGE
        assert ingest.spooled() == []
        await call.done_writing()
        assert await call.read() == grpc.aio.EOF
        assert ingest.retrieval.calls["WriteChunks"] == 0


async def test_a_full_spool_refuses_for_the_moment(tmp_path: Path) -> None:
    """OVERLOADED and retryable while another upload takes the room; afterwards there is room again."""
    large = Document("large.txt", b"word " * 180, piece_bytes=1000)
    async with running(tmp_path, workers=1, max_document_bytes=1000, spool_max_bytes=2000) as ingest:
        call = ingest.open()
        for message in large.messages()[:-1]:
            await call.write(message)
        await until(lambda: any(path.stat().st_size for path in tmp_path.rglob("0*")))
        refused = await ingest.upload(Document("second.txt", b"word " * 180))
        assert failed_because(refused["second.txt"]) == "OVERLOADED"
        assert failure(refused["second.txt"]).retryable
        await call.write(large.footer())
        await call.done_writing()
        assert [response async for response in call][-1].progress.HasField("done")
        again = await ingest.upload(Document("second.txt", b"word " * 180))
        assert kinds(again["second.txt"])[-1] == "done"


async def test_a_silent_caller_is_let_go(tmp_path: Path) -> None:
    """What is unfinished fails as incomplete, what is complete is ingested, the stream ends with a reason."""
    async with running(tmp_path, workers=1, idle_timeout_seconds=0.3) as ingest:
        call = ingest.open()
        for message in (*GOOD.messages(), X.header()):
            await call.write(message)
        events: list[ingest_pb.IngestDocumentsResponse] = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for response in call:
                events.append(response)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert "0.3 seconds" in str(caught.value.details())
        last = {response.upload_id: response.progress for response in events}
        assert last[GOOD.id].HasField("done")
        assert last["x"].failed.reason == reasons.ERROR_REASON_UPLOAD_INCOMPLETE
        assert ingest.spooled() == []


async def test_a_full_pipeline_holds_the_caller_back(tmp_path: Path) -> None:
    """With a retrieval that does not write, only a bounded part of a long stream is read from the caller."""
    piece = b"word " * 60_000
    documents = [Document(f"{i}.txt", piece, piece_bytes=60_000) for i in range(60)]
    sent = 0
    async with running(tmp_path, workers=1, documents_in_flight=2) as ingest:
        ingest.retrieval.writable.clear()
        call = ingest.open()

        async def write() -> None:
            nonlocal sent
            for document in documents:
                for message in document.messages():
                    await call.write(message)
                sent += 1
            await call.done_writing()

        async def read() -> int:
            return sum([response.progress.HasField("done") async for response in call])

        writing, reading = asyncio.create_task(write()), asyncio.create_task(read())
        await until(lambda: ingest.retrieval.writing == 2)
        await asyncio.sleep(0.5)
        # gRPC's own windows and buffers hold some megabytes; 18 would be sent without flow control.
        assert sent * len(piece) < 10_000_000
        assert len(ingest.spooled()) <= 3 * 4
        assert ingest.retrieval.calls["BeginAttempt"] == 2
        ingest.retrieval.writable.set()
        await writing
        assert await reading == len(documents)


async def test_a_caller_that_does_not_listen_holds_only_itself_back(ingest: Ingest) -> None:
    """Unread answers stop one stream; another one is served meanwhile."""
    deaf = ingest.open()

    async def write() -> None:
        for i in range(3000):
            for message in Document(f"deaf{i}.txt", b"", "d" * 100 + str(i)).messages():
                await deaf.write(message)

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.3)
    assert kinds((await ingest.upload(GOOD))[GOOD.id])[-1] == "done"
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    deaf.cancel()
    await until(lambda: ingest.spooled() == [])


async def test_cancelling_while_parsing_stops_the_parser(tmp_path: Path) -> None:
    """The worker is free at once, the spool is empty, the record says the upload was cut off."""
    async with running(
        tmp_path, workers=1, read_document=misbehaving_read, parse_timeout_seconds=60
    ) as ingest:
        call = ingest.open()
        for message in (*Document("slow.txt", b"SLEEP 50").messages(), X.header(), *X.pieces()):
            await call.write(message)
        assert (await call.read()).progress.HasField("received")
        await until(lambda: ingest.retrieval.calls["BeginAttempt"] == 1)
        await asyncio.sleep(0.2)
        assert len(ingest.spooled()) == 2
        call.cancel()
        begin = time.monotonic()
        assert kinds((await ingest.upload(GOOD))[GOOD.id])[-1] == "done"
        assert time.monotonic() - begin < 5
        await until(lambda: ingest.spooled() == [])
        recorded = ingest.retrieval.record("slow.txt").error
        assert recorded is not None
        assert recorded.reason == reasons.ERROR_REASON_UPLOAD_INCOMPLETE
        assert recorded.retryable


async def test_cancelling_takes_documents_out_of_the_queue(tmp_path: Path) -> None:
    """Those that wait for a worker are never read; those that wait for room leave nothing on disk."""
    documents = [Document(f"{i}.txt", b"SLEEP 2") for i in range(8)]
    async with running(tmp_path, workers=1, read_document=misbehaving_read, documents_in_flight=4) as ingest:
        call = ingest.open()
        for document in documents:
            for message in document.messages():
                await call.write(message)
        await until(lambda: ingest.retrieval.calls["BeginAttempt"] == 4)
        call.cancel()
        await until(lambda: ingest.retrieval.calls["FailAttempt"] == 4)
        await until(lambda: ingest.spooled() == [])
        begin = time.monotonic()
        assert kinds((await ingest.upload(GOOD))[GOOD.id])[-1] == "done"
        assert time.monotonic() - begin < 5  # four of them would take eight seconds
        assert ingest.retrieval.calls["commit"] == 1


async def test_cancelling_while_writing_ends_the_attempt(ingest: Ingest) -> None:
    """Nothing is committed after the caller left."""
    ingest.retrieval.writable.clear()
    call = ingest.open()
    for message in GOOD.messages():
        await call.write(message)
    await until(lambda: ingest.retrieval.writing == 1)
    call.cancel()
    await until(lambda: ingest.retrieval.record(GOOD.filename).error is not None)
    ingest.retrieval.writable.set()
    await asyncio.sleep(0.1)
    assert ingest.retrieval.calls["commit"] == 0
    assert ingest.retrieval.record(GOOD.filename).live is None
    assert ingest.spooled() == []


def unavailable() -> DocuQueryError:
    return DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "The store is away. Try again.")


@pytest.mark.parametrize("method", ["BeginAttempt", "WriteChunks", "commit"])
async def test_a_passing_fault_of_retrieval_is_tried_again(ingest: Ingest, method: str) -> None:
    """Two refusals in a row are not seen by the caller."""
    ingest.retrieval.failures[method] += [unavailable(), unavailable()]
    events = (await ingest.upload(GOOD))[GOOD.id]
    assert kinds(events) == ["received", "done"]
    assert ingest.retrieval.calls[method] == 3


async def test_a_lasting_fault_of_retrieval_is_not_tried_again(ingest: Ingest) -> None:
    """Its reason reaches the caller and the record."""
    ingest.retrieval.failures["WriteChunks"].append(
        DocuQueryError(reasons.ERROR_REASON_STORE_MISMATCH, "The store belongs to another embedder.")
    )
    events = (await ingest.upload(GOOD))[GOOD.id]
    assert failed_because(events) == "STORE_MISMATCH"
    assert ingest.retrieval.calls["WriteChunks"] == 1
    assert ingest.retrieval.record(GOOD.filename).error == failure(events)


async def test_an_attempt_that_lost_its_right_stops_without_a_trace(ingest: Ingest) -> None:
    """ATTEMPT_SUPERSEDED is reported as retryable and the record is left to its new owner."""
    ingest.retrieval.writable.clear()
    uploading = asyncio.create_task(ingest.upload(GOOD))
    await until(lambda: ingest.retrieval.writing == 1)
    ingest.retrieval.lose(GOOD.filename)
    ingest.retrieval.writable.set()
    events = (await uploading)[GOOD.id]
    assert failed_because(events) == "ATTEMPT_SUPERSEDED"
    assert failure(events).retryable
    assert ingest.retrieval.calls["FailAttempt"] == 0


async def test_retrieval_that_stays_away_fails_the_document_in_bounded_time(tmp_path: Path) -> None:
    """SERVICE_UNAVAILABLE, retryable, once the time for retries is up."""
    async with running(tmp_path, workers=1, retrieval_retry_seconds=0.5) as ingest:
        ingest.retrieval.failures["BeginAttempt"] += [unavailable() for _ in range(1000)]
        begin = time.monotonic()
        events = (await ingest.upload(GOOD))[GOOD.id]
        assert time.monotonic() - begin < 5
        assert failed_because(events) == "STORE_UNAVAILABLE"
        assert failure(events).retryable


async def test_a_restart_of_retrieval_is_survived(tmp_path: Path) -> None:
    """The server goes away in the middle of a document and comes back: the document is done."""
    retrieval = MemoryRetrieval()
    text = "".join(f"Sentence number {i} of a longer text.\n" for i in range(20_000)).encode()
    async with serving(MemoryRetrieval()) as port:
        pass  # a port that is free now
    first = serving(retrieval, port)
    await first.__aenter__()
    async with running(tmp_path, workers=1, retrieval_target=f"127.0.0.1:{port}") as ingest:
        uploading = asyncio.create_task(ingest.upload(Document("long.txt", text, piece_bytes=100_000)))
        await until(lambda: retrieval.calls["WriteChunks"] >= 3)
        await first.__aexit__(None, None, None)
        assert not uploading.done()
        await asyncio.sleep(0.3)
        async with serving(retrieval, port):
            events: list[upload_pb2.UploadProgress] = (await uploading)["long.txt"]
        assert kinds(events)[-1] == "done"
        assert retrieval.live_text("long.txt") == text.decode().strip()


async def test_stopping_the_service_records_what_was_cut_off(tmp_path: Path) -> None:
    """After the drain time a document under way is recorded as incomplete, and nothing stays on disk."""
    retrieval = MemoryRetrieval()
    async with running(
        tmp_path, retrieval, workers=1, read_document=misbehaving_read, drain_seconds=0.2
    ) as ingest:
        call = ingest.open()
        for message in Document("slow.txt", b"SLEEP 50").messages():
            await call.write(message)
        await until(lambda: retrieval.calls["BeginAttempt"] == 1)
    recorded = retrieval.record("slow.txt").error
    assert recorded is not None
    assert recorded.reason == reasons.ERROR_REASON_UPLOAD_INCOMPLETE
    assert ingest.spooled() == []


async def test_a_call_without_tenant_is_refused(ingest: Ingest) -> None:
    """The service is internal: somebody must vouch for the tenant."""
    from docuquery.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

    call = IngestServiceStub(ingest.channel).IngestDocuments()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
