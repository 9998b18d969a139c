"""One document through the pipeline, with a store and a parser in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct

from docuquery.common.v1 import document_pb2
from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.ingest import parsers
from services.ingest.chunking.chunking import chunk
from services.ingest.chunking.fingerprint import Fingerprint
from services.ingest.model import DocumentType
from services.ingest.pipeline import NothingToDo, Pipeline, PipelineLimits
from services.ingest.spool import parsed_file
from services.ingest.spool.parsed_file import Batch, ParsedSummary
from services.ingest.spool.spool import Spool
from services.ingest.uploads.model import (
    Attempt,
    Done,
    Event,
    Header,
    IfExists,
    Indexed,
    Parsed,
    Upload,
    UploadResult,
)

STORED = document_pb2.Document(document_id="d")
SUPERSEDED = DocuQueryError(reasons.ERROR_REASON_ATTEMPT_SUPERSEDED, "Somebody else took over.")
NO_TEXT = DocuQueryError(reasons.ERROR_REASON_NO_TEXT, "No text.")


class MemoryStore:
    """Keeps the calls; `errors` makes a method fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.versions: list[str] = []
        self.written: list[Batch] = []
        self.failures: list[DocuQueryError] = []
        self.errors: dict[str, Exception] = {}
        self.nothing_to_do: UploadResult | None = None
        self.block = asyncio.Event()
        self.block.set()

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        await asyncio.sleep(0)
        if name in self.errors:
            raise self.errors[name]

    async def begin(
        self, header: Header, kind: DocumentType, size_bytes: int, version: str
    ) -> Attempt | NothingToDo:
        await self._called("begin")
        self.versions.append(version)
        return NothingToDo(self.nothing_to_do, STORED) if self.nothing_to_do else Attempt("d", "t")

    async def announce(self, header: Header) -> Attempt | None:
        await self._called("announce")
        return Attempt("d", "t")

    async def identify(
        self, attempt: Attempt, kind: DocumentType, size_bytes: int, version: str
    ) -> NothingToDo | None:
        await self._called("identify")
        self.versions.append(version)
        return NothingToDo(self.nothing_to_do, STORED) if self.nothing_to_do else None

    async def renew(self, attempt: Attempt) -> None:
        await self._called("renew")

    async def write(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> int:
        await self.block.wait()
        await self._called("write")
        self.written.append(batch)
        return sum(len(batch.chunks) for batch in self.written)

    async def finish(self, attempt: Attempt, batch: Batch, summary: ParsedSummary) -> Done:
        await self._called("finish")
        self.written.append(batch)
        return Done(UploadResult.CREATED, STORED)

    async def fail(self, attempt: Attempt, error: DocuQueryError) -> None:
        await self._called("fail")
        self.failures.append(error)


class HereParser:
    """Parses in this process; `error` makes it fail, `released` cleared makes it wait."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.released = asyncio.Event()
        self.released.set()
        self.cancelled = False
        self.passwords: list[str] = []

    async def parse(self, upload: Path, kind: DocumentType, password: str = "") -> ParsedSummary:
        self.passwords.append(password)
        try:
            await self.released.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        document = parsers.read(upload, kind, password)
        return parsed_file.save(upload, document, chunk(document, 50, 10))


class Ears:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.document_id = ""
        self.events: list[Event] = []

    def identify(self, document_id: str) -> None:
        self.document_id = document_id

    async def tell(self, event: Event) -> None:
        self.events.append(event)


class Bench:
    """A pipeline with its surroundings."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.store, self.parser, self.ears = MemoryStore(), HereParser(), Ears()
        self.pipeline = Pipeline(
            self.store,
            self.parser,
            Fingerprint(chunk_size=50, chunk_overlap=10),
            PipelineLimits(batch_chunks=2, batch_bytes=500, renew_seconds=0.02, fail_seconds=0.2),
        )

    async def upload(self, content: bytes = b"Some words of text. " * 20, name: str = "a.txt") -> Upload:
        writer = self.spool.open()
        await writer.write(content)
        header = Header(name, name, None, IfExists.REPLACE, Struct(), 0, "sesame")
        return Upload(header, writer.finish())

    async def run(self, upload: Upload | None = None) -> None:
        await self.pipeline.ingest(upload or await self.upload(), self.ears)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    with Spool(tmp_path, max_document_bytes=10_000) as spool:
        made = Bench(spool)
        yield made
        await made.pipeline.close()


async def test_the_steps_come_in_order(bench: Bench) -> None:
    """Begin, write in batches, finish with the last; each told, the document id known from the start."""
    await bench.run()
    assert bench.store.calls == ["begin", *["write"] * (len(bench.store.written) - 1), "finish"]
    assert len(bench.store.written) > 3
    assert bench.ears.document_id == "d"
    total = sum(len(batch.chunks) for batch in bench.store.written)
    assert bench.ears.events[0] == Parsed(DocumentType.TEXT, 0, total)
    before_last = total - len(bench.store.written[-1].chunks)
    assert bench.ears.events[-2:] == [Indexed(before_last, total), Done(UploadResult.CREATED, STORED)]
    assert bench.parser.passwords == ["sesame"]


async def test_a_document_of_one_batch_is_done_at_once(bench: Bench) -> None:
    """Nothing is told in between."""
    await bench.run(await bench.upload(b"One sentence."))
    assert bench.store.calls == ["begin", "finish"]
    assert bench.ears.events == [Done(UploadResult.CREATED, STORED)]


@pytest.mark.parametrize(
    "result", [UploadResult.UNCHANGED, UploadResult.METADATA_UPDATED, UploadResult.SKIPPED]
)
async def test_nothing_to_do_ends_before_parsing(bench: Bench, result: UploadResult) -> None:
    """The store's answer is passed on."""
    bench.store.nothing_to_do = result
    await bench.run()
    assert bench.store.calls == ["begin"]
    assert bench.parser.passwords == []
    assert (bench.ears.document_id, bench.ears.events) == ("d", [Done(result, STORED)])


async def test_a_type_that_cannot_be_read_is_recorded_as_failed(bench: Bench) -> None:
    """Whoever lists the documents sees what became of it; nothing is parsed."""
    with pytest.raises(DocuQueryError) as caught:
        await bench.run(await bench.upload(b"\x89PNG\r\n\x1a\n", "a.png"))
    assert caught.value.reason_name == "UNSUPPORTED_DOCUMENT_TYPE"
    assert bench.store.calls == ["announce", "fail"]
    assert bench.store.failures == [caught.value]
    assert bench.ears.document_id == "d"
    assert bench.parser.passwords == []


async def test_a_refusal_that_cannot_be_recorded_is_a_refusal_still(bench: Bench) -> None:
    bench.store.errors["announce"] = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Away.")
    with pytest.raises(DocuQueryError) as caught:
        await bench.run(await bench.upload(b"\x89PNG\r\n\x1a\n", "a.png"))
    assert caught.value.reason_name == "UNSUPPORTED_DOCUMENT_TYPE"
    assert (bench.store.calls, bench.ears.document_id) == (["announce"], "")


async def test_a_refused_beginning_is_not_recorded(bench: Bench) -> None:
    """There is no attempt to record it with."""
    bench.store.errors["begin"] = DocuQueryError(reasons.ERROR_REASON_DOCUMENT_ALREADY_EXISTS, "Exists.")
    with pytest.raises(DocuQueryError):
        await bench.run()
    assert bench.store.calls == ["begin"]


@pytest.mark.parametrize("step", ["parse", "write", "finish"])
async def test_a_failure_is_recorded_with_its_reason(bench: Bench, step: str) -> None:
    """Wherever it happens after the beginning."""
    if step == "parse":
        bench.parser.error = NO_TEXT
    else:
        bench.store.errors[step] = NO_TEXT
    with pytest.raises(DocuQueryError) as caught:
        await bench.run()
    assert caught.value is NO_TEXT
    assert bench.store.failures == [NO_TEXT]


async def test_a_fault_of_ours_is_recorded_without_its_text(bench: Bench) -> None:
    """INTERNAL and a fixed sentence."""
    bench.parser.error = ZeroDivisionError("secret")
    with pytest.raises(ZeroDivisionError):
        await bench.run()
    (recorded,) = bench.store.failures
    assert recorded.reason_name == "INTERNAL"
    assert "secret" not in recorded.message


async def test_losing_the_attempt_is_not_recorded(bench: Bench) -> None:
    """The record belongs to somebody else by then."""
    bench.store.errors["write"] = SUPERSEDED
    with pytest.raises(DocuQueryError):
        await bench.run()
    assert "fail" not in bench.store.calls


async def test_cancelling_is_recorded_although_the_task_is_gone(bench: Bench) -> None:
    """As an incomplete upload, which may be sent again; the parser is stopped."""
    bench.parser.released.clear()
    running = asyncio.create_task(bench.run())
    while not bench.parser.passwords:  # noqa: ASYNC110 - the parser has no event to wait for
        await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await bench.pipeline.close()
    assert bench.parser.cancelled
    (recorded,) = bench.store.failures
    assert recorded.reason_name == "UPLOAD_INCOMPLETE"
    assert recorded.retryable


async def test_a_failure_that_cannot_be_recorded_hides_nothing(bench: Bench) -> None:
    """The caller hears of the first failure, in bounded time."""
    bench.parser.error = NO_TEXT
    bench.store.errors["fail"] = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Away.")
    with pytest.raises(DocuQueryError) as caught:
        await bench.run()
    assert caught.value is NO_TEXT


async def test_a_long_parse_gives_signs_of_life(bench: Bench) -> None:
    """Renewed while the parser works, and no longer."""
    bench.parser.released.clear()
    running = asyncio.create_task(bench.run())
    while bench.store.calls.count("renew") < 3:  # noqa: ASYNC110 - nor has the store
        await asyncio.sleep(0.005)
    bench.parser.released.set()
    await running
    assert bench.store.calls[-1] == "finish"
    assert "renew" not in bench.store.calls[bench.store.calls.index("write") :]


async def test_losing_the_attempt_stops_the_parser(bench: Bench) -> None:
    """A delete during a long parse does not wait for its end."""
    bench.parser.released.clear()
    bench.store.errors["renew"] = SUPERSEDED
    with pytest.raises(DocuQueryError):
        await bench.run()
    assert bench.parser.cancelled


async def test_the_same_bytes_have_the_same_version(bench: Bench) -> None:
    """And other bytes another one."""
    for content in (b"one", b"one", b"two"):
        await bench.run(await bench.upload(content))
    first, again, other = bench.store.versions
    assert first == again != other
