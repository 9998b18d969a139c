"""The asynchronous and the blocking client against a gateway over loopback gRPC."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest

from docuquery.common.v1.document_pb2 import UploadResult
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery_client import ApiError, AsyncDocuQuery, DocuQuery, Tls, UploadEvent, UploadFile, where
from docuquery_client.uploads import PIECE_BYTES
from tests.certificates import Authority
from tests.rpc.client_support import ANSWER, FakeGateway, serving, status


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def address(gateway: FakeGateway) -> Iterator[str]:
    with serving(gateway) as where_it_is:
        yield where_it_is


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


async def uploaded(
    client: AsyncDocuQuery,
    files: Sequence[Path | UploadFile],
    max_in_flight: int = 8,
    idle_timeout_seconds: float = 10,
) -> list[UploadEvent]:
    stream = client.upload_many(files, max_in_flight=max_in_flight, idle_timeout_seconds=idle_timeout_seconds)
    return [event async for event in stream]


async def test_every_unary_call_sends_its_fields_and_returns_its_reply(
    gateway: FakeGateway, address: str
) -> None:
    async with AsyncDocuQuery(address) as client:
        made = await client.upload_document("a.txt", b"text", source="x/a.txt", metadata={"year": 2024})
        assert made.result == UploadResult.UPLOAD_RESULT_CREATED
        document = await client.get_document(made.document.document_id)
        assert (document.source, document.metadata["year"]) == ("x/a.txt", 2024)
        assert [d.source for d in (await client.list_documents()).documents] == ["x/a.txt"]
        assert (await client.get_stats()).indexed_document_count == 1
        found = await client.search("hours", limit=3, filter=where(year=2024))
        assert [p.filename for p in found.passages] == ["handbook.pdf", "allowance.md"]
        assert (await client.get_passage(document.document_id, 1, 2)).text == "10:00 to 15:00"
        assert (await client.ask("When?", top_k=4, no_cache=True)).answer == ANSWER
        assert (await client.get_conversation("c")).turns[0].answer == "Here."
        assert (await client.delete_conversation("c")).deleted_turn_count == 2
        assert (await client.get_system_status()).state == pb.COMPONENT_STATE_SERVING
        assert [p.version for p in (await client.list_prompts()).prompts] == ["v1", "v2"]
        assert (await client.delete_document(document.document_id)).deleted_chunk_count == 1
    by_type = {type(request): request for request in gateway.requests}
    asked = by_type[pb.QueryRequest]
    assert isinstance(asked, pb.QueryRequest)
    assert (asked.question, asked.top_k, asked.no_cache) == ("When?", 4, True)
    assert not asked.HasField("include_sources")
    searched = by_type[pb.SearchRequest]
    assert isinstance(searched, pb.SearchRequest)
    assert (searched.limit, searched.filter.conditions[0].field) == (3, "metadata.year")
    assert not searched.HasField("score_threshold")


async def test_documents_walks_all_pages(gateway: FakeGateway, address: str) -> None:
    async with AsyncDocuQuery(address) as client:
        for number in range(5):
            await client.upload_document(f"{number}.txt", b"x")
        found = [document.filename async for document in client.documents(page_size=2)]
    assert found == [f"{number}.txt" for number in range(5)]
    assert sum(method == "ListDocuments" for method, _ in gateway.calls) == 3


async def test_a_call_carries_key_request_id_and_deadline(gateway: FakeGateway, address: str) -> None:
    async with AsyncDocuQuery(address, "secret-key", timeout_seconds=20) as client:
        await client.get_stats(request_id="mine-1")
        await client.search("x", timeout_seconds=7)
    stats = gateway.metadata_of("GetStats")
    assert stats["authorization"] == "Bearer secret-key"
    assert stats["x-request-id"] == "mine-1"
    assert 15 < float(stats["timeout"]) < 21
    search = gateway.metadata_of("Search")
    assert 5 < float(search["timeout"]) < 8
    assert len(search["x-request-id"]) == 32


async def test_without_a_key_no_authorization_is_sent(gateway: FakeGateway, address: str) -> None:
    async with AsyncDocuQuery(address) as client:
        await client.get_stats()
    assert "authorization" not in gateway.metadata_of("GetStats")


async def test_an_error_carries_everything_the_status_says(gateway: FakeGateway, address: str) -> None:
    gateway.failures["Search"] = [
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID_REQUEST",
            "The request is not valid.",
            violations=(("query", "must not be empty"), ("limit", "must be 1 to 200")),
            request_id="r-77",
        ),
        status(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "RATE_LIMITED",
            "Too many.",
            retry_after_seconds=1.5,
            limit="9",
        ),
    ]
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError) as caught:
            await client.search("")
        with pytest.raises(ApiError) as limited:
            await client.search("x", request_id="mine")
    error = caught.value
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [(v.field, v.description) for v in error.violations] == [
        ("query", "must not be empty"),
        ("limit", "must be 1 to 200"),
    ]
    assert (error.request_id, error.retryable) == ("r-77", False)
    assert str(error) == (
        "The request is not valid: query: must not be empty; limit: must be 1 to 200 "
        "(INVALID_REQUEST, request id r-77)."
    )
    assert limited.value.retry_after_seconds == 1.5
    assert limited.value.request_id == "mine"
    assert limited.value.metadata == {"limit": "9"}
    assert limited.value.retryable


async def test_no_server_is_told_as_such() -> None:
    async with AsyncDocuQuery("127.0.0.1:1") as client:
        with pytest.raises(ApiError, match=r"No DocuQuery server answers at 127\.0\.0\.1:1") as caught:
            await client.get_stats()
    assert caught.value.reason == "UNAVAILABLE"
    assert not caught.value.server_spoke
    assert caught.value.retryable


async def test_who_speaks_another_tls_than_the_server_is_told_so(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    pair = ours.issue("gateway")
    credentials = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.cert.read_bytes())])
    with serving(gateway, credentials) as encrypted:
        for where, tls, told in (
            (address, Tls(), "speaks no TLS"),
            (encrypted, None, "want TLS"),
            (encrypted, Tls(theirs.ca), "is not believed"),
            (encrypted, Tls(ours.ca, server_name="elsewhere.example"), "for another name"),
        ):
            async with AsyncDocuQuery(where, tls=tls) as client:
                with pytest.raises(ApiError, match=told):
                    await client.get_stats()
        async with AsyncDocuQuery(encrypted, tls=Tls(ours.ca)) as client:
            await client.get_stats()


async def test_a_read_that_no_server_refused_in_words_is_sent_again_and_a_question_is_not(
    gateway: FakeGateway, address: str
) -> None:
    gateway.silent_failures = 2
    async with AsyncDocuQuery(address) as client:
        await client.search("hours")
        assert [name for name, _ in gateway.calls] == ["Search"] * 3
        gateway.silent_failures = 1
        with pytest.raises(ApiError, match="UNAVAILABLE"):
            await client.ask("When?")
    assert [name for name, _ in gateway.calls] == ["Search"] * 3 + ["Query"]


async def test_an_argument_that_there_is_not_is_refused_and_not_passed_over(
    gateway: FakeGateway, address: str
) -> None:
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(TypeError, match="no argument timeout; every call takes timeout_seconds"):
            await client.ask("When?", timeout=5)  # type: ignore[call-arg] # the subject of this test
        with pytest.raises(TypeError, match="no argument topk"):
            [event async for event in client.ask_stream("When?", topk=5)]  # type: ignore[call-arg] # so is this
        with pytest.raises(ValueError, match="request_id"):
            await client.get_stats(request_id="two words")
        with pytest.raises(TypeError, match="give a list"):
            [event async for event in client.upload_many("a.txt")]
    assert gateway.calls == []


def test_a_client_can_be_used_on_one_loop_after_the_other_but_not_on_two(address: str) -> None:
    client = AsyncDocuQuery(address)

    async def call() -> None:
        await client.get_stats()

    async def on_a_second_loop() -> None:
        await client.get_stats()
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, call())
        await client.close()

    asyncio.run(call())
    asyncio.run(on_a_second_loop())


def test_files_that_hold_no_certificate_are_told_before_any_call(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    pair, other = first.issue("one"), second.issue("two")
    assert Tls(str(first.ca), str(pair.cert), str(pair.key)).credentials()
    for tls, told in (
        (Tls(pair.key), "holds no certificate"),
        (Tls(first.ca, pair.cert, other.key), "no certificate and its key"),
        (Tls(first.ca, pair.cert), "belong together"),
    ):
        with pytest.raises(ValueError, match=told):
            tls.credentials()


@pytest.mark.parametrize("address", ["", " ", "http://localhost:50051", "GRPC://localhost:50051"])
def test_what_is_no_address_is_told_before_any_call(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        AsyncDocuQuery(address)


async def test_an_upload_without_progress_ends_by_itself(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    gateway.hold.clear()
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError, match="no progress for") as caught:
            await uploaded(client, [write(tmp_path, "a.txt", b"x")], idle_timeout_seconds=0.2)
    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert caught.value.request_id == gateway.metadata_of("UploadDocuments")["x-request-id"]


async def test_a_client_can_be_used_again_after_close(gateway: FakeGateway, address: str) -> None:
    client = AsyncDocuQuery(address)
    await client.get_stats()
    await client.close()
    await client.get_stats()
    await client.close()
    assert len(gateway.calls) == 2


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_at_once(key: str) -> None:
    with pytest.raises(ValueError, match="ASCII"):
        AsyncDocuQuery(api_key=key)


# --- answers as they are written ---


async def test_a_streamed_answer_ends_with_completed(gateway: FakeGateway, address: str) -> None:
    async with AsyncDocuQuery(address) as client:
        events = [event async for event in client.ask_stream("When?")]
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds == ["retrieved", "text_delta", "citation", "text_delta", "citation", "completed"]
    assert "".join(event.text_delta for event in events) == ANSWER
    assert events[-1].completed == gateway.result


async def test_a_stream_that_ends_without_completed_is_an_error(gateway: FakeGateway, address: str) -> None:
    gateway.stream_until = 3
    seen = []
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError) as caught:
            async for event in client.ask_stream("When?"):
                seen.append(event.WhichOneof("event"))
    assert seen == ["retrieved", "text_delta", "citation"]
    assert caught.value.reason == "STREAM_TRUNCATED"


async def test_a_stream_that_fails_midway_raises_its_reason(gateway: FakeGateway, address: str) -> None:
    gateway.stream_until = 2
    gateway.stream_failure = status(
        grpc.StatusCode.UNAVAILABLE, "PROVIDER_CONNECTION", "The provider went away."
    )
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError) as caught:
            _ = [event async for event in client.ask_stream("When?")]
    assert caught.value.reason == "PROVIDER_CONNECTION"


async def test_leaving_a_stream_early_ends_it_in_the_server(gateway: FakeGateway, address: str) -> None:
    async with AsyncDocuQuery(address) as client:
        async with aclosing(client.ask_stream("When?")) as events:
            await anext(events)
        assert await asyncio.to_thread(gateway.cancelled.wait, 5)


# --- uploads ---


async def test_files_are_sent_in_pieces_with_their_checksum(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    large = bytes(range(256)) * 4096  # 1 MiB
    files = [write(tmp_path, "large.bin", large), write(tmp_path, "exact.bin", b"x" * PIECE_BYTES)]
    sent: list[int] = []
    async with AsyncDocuQuery(address) as client:
        events = [
            event async for event in client.upload_many(files, on_sent=lambda _file, size: sent.append(size))
        ]
    assert [e.document.filename for e in events if e.document] == ["large.bin", "exact.bin"]
    assert gateway.contents == {"large.bin": large, "exact.bin": b"x" * PIECE_BYTES}
    assert gateway.largest_piece == PIECE_BYTES
    assert sum(sent) == len(large) + PIECE_BYTES
    assert gateway.documents["large.bin"].live_version == hashlib.sha256(large).hexdigest()


async def test_one_bad_file_does_not_stop_the_others(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    files = [
        write(tmp_path, "empty.txt", b""),
        tmp_path / "missing.txt",
        tmp_path,  # a folder
        write(tmp_path, "locked.pdf", b"%PDF /Encrypt"),
        write(tmp_path, "good.txt", b"text"),
    ]
    async with AsyncDocuQuery(address) as client:
        events = await uploaded(client, files)
    last = {e.file.path.name: e for e in events if e.finished}
    assert len(last) == len(files)
    assert last["empty.txt"].reason == "EMPTY_DOCUMENT"
    assert last["missing.txt"].reason == "UNREADABLE_FILE"
    assert "No such file" in last["missing.txt"].progress.failed.message
    assert last[tmp_path.name].reason == "UNREADABLE_FILE"
    assert last["locked.pdf"].reason == "DOCUMENT_ENCRYPTED"
    assert last["good.txt"].document is not None
    assert list(gateway.documents) == ["good.txt"]


async def test_sending_again_is_unchanged_and_header_fields_arrive(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "a.txt", b"text")
    file = UploadFile(path, source="hr/a.txt", metadata={"team": "hr"}, filename="shown.txt")
    async with AsyncDocuQuery(address) as client:
        for expected in (UploadResult.UPLOAD_RESULT_CREATED, UploadResult.UPLOAD_RESULT_UNCHANGED):
            *_, last = await uploaded(client, [file])
            assert last.progress.done.result == expected
            assert last.document_id == gateway.documents["hr/a.txt"].document_id
    assert gateway.documents["hr/a.txt"].filename == "shown.txt"
    assert gateway.documents["hr/a.txt"].metadata["team"] == "hr"


async def test_absent_metadata_keeps_what_is_there_and_empty_metadata_takes_it_away(address: str) -> None:
    async with AsyncDocuQuery(address) as client:
        await client.upload_document("a.txt", b"text", metadata={"team": "hr"})
        kept = await client.upload_document("a.txt", b"text")
        assert kept.result == UploadResult.UPLOAD_RESULT_UNCHANGED
        assert kept.document.metadata["team"] == "hr"
        emptied = await client.upload_document("a.txt", b"text", metadata={})
        assert emptied.result == UploadResult.UPLOAD_RESULT_METADATA_UPDATED
        assert not emptied.document.metadata.fields


async def test_only_so_many_documents_wait_for_their_acknowledgement(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    gateway.hold.clear()
    files = [write(tmp_path, f"{n}.txt", b"text") for n in range(10)]
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError, match="no progress"):
            await uploaded(client, files, max_in_flight=3, idle_timeout_seconds=0.3)
    assert gateway.most_open == 3


async def test_a_server_that_does_not_read_holds_the_sender_back(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    """Flow control: a stalled server makes the client wait, not buffer the file."""
    gateway.reading.clear()
    size = 64 * 1024 * 1024
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(size)
    sent = 0

    def count(_file: UploadFile, piece: int) -> None:
        nonlocal sent
        sent += piece

    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError, match="no progress"):
            async for _ in client.upload_many([path], on_sent=count, idle_timeout_seconds=0.5):
                pass
    assert 0 < sent < size // 4


async def test_a_refused_document_is_not_sent_to_its_end(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    """The server refuses by the size in the header; the rest of the file stays here."""
    path = tmp_path / "sparse.bin"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    sent = 0

    def count(_file: UploadFile, piece: int) -> None:
        nonlocal sent
        sent += piece

    async with AsyncDocuQuery(address) as client:
        events = [event async for event in client.upload_many([path], on_sent=count)]
    assert [event.reason for event in events] == ["DOCUMENT_TOO_LARGE"]
    assert sent < 300_000_000


async def test_a_file_that_breaks_off_half_way_is_not_stored(
    gateway: FakeGateway, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum sent at its end is one no bytes have, so the server drops it."""
    from docuquery_client import uploads

    original = uploads._Pieces.next
    reads = 0

    def failing(self: uploads._Pieces) -> bytes:
        nonlocal reads
        reads += 1
        if reads == 2:
            raise OSError(5, "Input/output error")
        return original(self)

    monkeypatch.setattr(uploads._Pieces, "next", failing)
    path = write(tmp_path, "a.bin", b"x" * (PIECE_BYTES + 1))
    other = write(tmp_path, "b.txt", b"fine")
    async with AsyncDocuQuery(address) as client:
        events = await uploaded(client, [path, other])
    last = {e.file.path.name: e for e in events if e.finished}
    assert last["a.bin"].reason == "UNREADABLE_FILE"
    assert "Input/output error" in last["a.bin"].progress.failed.message
    assert list(gateway.documents) == ["b.txt"]


async def test_a_broken_stream_raises_after_what_was_acknowledged(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    gateway.break_after = [2]
    files = [write(tmp_path, f"{n}.txt", b"text") for n in range(6)]
    seen = []
    async with AsyncDocuQuery(address) as client:
        with pytest.raises(ApiError) as caught:
            async for event in client.upload_many(files):
                if event.finished:
                    seen.append(event.file.path.name)
    assert seen == ["0.txt", "1.txt"]
    assert caught.value.reason == "SERVICE_UNAVAILABLE"


async def test_a_fault_of_the_callers_iterable_reaches_the_caller(address: str, tmp_path: Path) -> None:
    def broken() -> Iterator[Path]:
        yield write(tmp_path, "a.txt", b"x")
        raise KeyError("mine")

    async with AsyncDocuQuery(address) as client:
        with pytest.raises(KeyError, match="mine"):
            async for _ in client.upload_many(broken()):
                pass


async def test_leaving_an_upload_early_ends_it_in_the_server(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    files = [write(tmp_path, f"{n}.txt", b"text") for n in range(50)]
    async with AsyncDocuQuery(address) as client:
        async with aclosing(client.upload_many(files)) as events:
            await anext(events)
        assert await asyncio.to_thread(gateway.cancelled.wait, 5)


# --- without an event loop ---


def test_the_blocking_client_offers_every_method_of_the_other() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(DocuQuery) == public(AsyncDocuQuery) | {"upload_resuming"}  # there it is a function


def test_the_blocking_client_calls_streams_and_uploads(
    gateway: FakeGateway, address: str, tmp_path: Path
) -> None:
    with DocuQuery(address, "k") as client:
        assert client.address == address
        assert client.ask("When?").answer == ANSWER
        kinds = [event.WhichOneof("event") for event in client.ask_stream("When?")]
        assert kinds[-1] == "completed"
        events = list(client.upload_many([write(tmp_path, "a.txt", b"text")]))
        assert events[-1].finished
        assert [d.filename for d in client.documents()] == ["a.txt"]
        gateway.break_after = [0]
        events = list(client.upload_resuming([str(tmp_path / "a.txt")]))
        assert [event.document.filename for event in events if event.document] == ["a.txt"]
        with pytest.raises(TypeError, match="give a list"):
            list(client.upload_resuming(str(tmp_path / "a.txt")))
        with pytest.raises(ApiError, match="no such document"):
            client.get_document("nobody")
    assert gateway.metadata_of("Query")["authorization"] == "Bearer k"


def test_leaving_a_blocking_loop_early_ends_the_call(gateway: FakeGateway, address: str) -> None:
    with DocuQuery(address) as client:
        for _ in client.ask_stream("When?"):
            break
        assert gateway.cancelled.wait(5)


def test_a_blocking_client_closed_in_the_middle_of_a_stream_leaves_nothing_behind(address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", LEFT_OPEN, address],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


LEFT_OPEN = """
import sys
from docuquery_client import DocuQuery
client = DocuQuery(sys.argv[1])
events = client.ask_stream("When?")
next(events)
client.close()
del events
print("left")
"""


@pytest.mark.parametrize("call", ["ask", "ask_stream", "upload_many"])
def test_threads_that_wait_for_a_call_hear_that_the_client_is_closed(tmp_path: Path, call: str) -> None:
    """They would wait for ever: nobody is left to tell them anything."""
    heard: list[str] = []
    argument = [write(tmp_path, "a.txt", b"text")] if call == "upload_many" else "When?"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = DocuQuery(f"127.0.0.1:{silent.getsockname()[1]}")

        def wait() -> None:
            with pytest.raises(RuntimeError, match="closed") as caught:
                reply = getattr(client, call)(argument)
                list(reply)
            heard.append(str(caught.value))

        waiting = threading.Thread(target=wait)
        waiting.start()
        connection, _ = silent.accept()  # the call is under way
        with connection:
            client.close()
            waiting.join(60)
    assert heard == ["this client is closed"]


def test_a_blocking_client_that_was_forked_along_says_so(address: str) -> None:
    """Its thread is not in the child, which would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED, address], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "make one in each process"), done.stderr


FORKED = """
import os, sys
from docuquery_client import DocuQuery
client = DocuQuery(sys.argv[1])
if not (child := os.fork()):
    try:
        client.get_stats()
    except RuntimeError as error:
        print(str(error).partition(": ")[2], flush=True)
    client.close()
    os._exit(0)
os.waitpid(child, 0)
client.close()
"""


def test_a_closed_blocking_client_says_so(address: str) -> None:
    client = DocuQuery(address)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.get_stats()
