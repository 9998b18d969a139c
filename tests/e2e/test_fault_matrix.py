"""Every fault against every kind of call: what the caller sees, how soon, and that nothing is lost.

`make fault-matrix` runs all of it and writes the table into docs/resilience.md; the faults of providers alone
are part of `make test`.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest

from benchmarks.documents import read_section, replace_section
from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.document_pb2 import DOCUMENT_STATUS_INDEXED
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader
from docuquery.gateway.v1 import admin_service_pb2 as admin
from docuquery.gateway.v1 import docuquery_service_pb2 as pb
from docuquery.gateway.v1.admin_service_pb2_grpc import AdminServiceStub
from docuquery.gateway.v1.docuquery_service_pb2_grpc import DocuQueryServiceStub
from docuquery_client.errors import ApiError, from_rpc_error
from tests.contract.llm_server import LlmServer
from tests.contract.qdrant_server import one_server
from tests.contract.redis_server import redis_server
from tests.e2e.faults import (
    ANTHROPIC,
    ENGINE_FAULTS,
    FIRST_TOKEN_SECONDS,
    INDEXED,
    OPENAI,
    PROVIDER_FAULTS,
    SERVICE_FAULTS,
    Fault,
    Seen,
    Stage,
)
from tests.e2e.support import ROOT, running_system

DOCUMENT = ROOT / "docs" / "resilience.md"
SECTION = "fault matrix"
WRITE = os.environ.get("WRITE_FAULT_MATRIX") == "1"

ALLOWED_SECONDS = 9.0
QUESTION = pb.QueryRequest(question="What is the mascot of the firm?")
FACT = b"The mascot of the firm is a heron."

SETTINGS = {
    "LLM_PROVIDER": "openai,anthropic",
    "FIRST_TOKEN_SECONDS": str(FIRST_TOKEN_SECONDS),
    "UPLOAD_STALL_SECONDS": "3",
    "INGEST_RETRIEVAL_RETRY_SECONDS": "2",
    "QDRANT_TIMEOUT_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One call under one fault."""

    fault: str
    call: str
    seen: Seen
    seconds: float

    def cells(self) -> list[str]:
        """Everything but the time, which is another one each time."""
        attempts = self.seen.attempts or "-"
        return [self.fault, self.call, self.seen.status, self.seen.answered_by or "-", attempts]


HEADER = (
    "| fault | call | status | answered by / document | attempts | seconds | lost |\n"
    "|---|---|---|---|---|---|---|"
)


def name_of(reason: reasons.ErrorReason.ValueType) -> str:
    return reasons.ErrorReason.Name(reason).removeprefix("ERROR_REASON_") if reason else "OK"


def status_of(error: ApiError) -> str:
    return error.code.name if error.reason == error.code.name else f"{error.code.name} / {error.reason}"


def answered(result: pb.QueryResult) -> Seen:
    attempts = ", ".join(f"{a.provider}={name_of(a.error_reason)}" for a in result.attempts)
    return Seen("OK", result.provider, attempts)


async def query(stage: Stage, _number: int) -> Seen:
    try:
        return answered(await stage.system.client.query(QUESTION, timeout_seconds=ALLOWED_SECONDS))
    except ApiError as error:
        return Seen(status_of(error), "", error.metadata.get("attempts", ""))


async def stream(stage: Stage, _number: int) -> Seen:
    text, seen, failed = "", None, None
    try:
        async for event in stage.system.client.ask_stream(QUESTION, timeout_seconds=ALLOWED_SECONDS):
            text += event.text_delta
            if event.HasField("completed"):
                seen = answered(event.completed)
                assert text in ("", event.completed.answer)
    except ApiError as error:
        failed = error
    if failed is not None:
        assert (text != "") == (failed.metadata.get("phase") == "MID_STREAM")
        return Seen(status_of(failed), "", failed.metadata.get("attempts", ""))
    assert seen is not None
    return seen


async def upload(stage: Stage, number: int) -> Seen:
    """One document of its own over a stream of its own."""
    content = f"Number {number} of the lockers is green.".encode()
    header = UploadHeader(filename=f"locker-{number}.txt")
    messages = [
        pb.UploadDocumentsRequest(upload_id="1", header=header),
        pb.UploadDocumentsRequest(upload_id="1", data=content),
        pb.UploadDocumentsRequest(upload_id="1", footer=UploadFooter()),
    ]
    became = ""
    async with grpc.aio.insecure_channel(stage.system.address) as channel:
        try:
            call = DocuQueryServiceStub(channel).UploadDocuments(iter(messages), timeout=60)
            async for response in call:
                if response.progress.HasField("done"):
                    assert response.progress.done.document.status == DOCUMENT_STATUS_INDEXED
                    became = "INDEXED"
                elif response.progress.HasField("failed"):
                    failed = response.progress.failed
                    became = name_of(failed.reason) + (", retryable" if failed.retryable else "")
        except grpc.aio.AioRpcError as error:
            return Seen(status_of(from_rpc_error(error, address="", request_id="")), became)
    return Seen("OK", became)


CALLS = {"Query": query, "StreamQuery": stream, "UploadDocuments": upload}


def expected(fault: Fault, call: str) -> Seen:
    return {"Query": fault.query, "StreamQuery": fault.stream, "UploadDocuments": fault.upload}[call]


async def close_breakers(stage: Stage) -> None:
    """No fault is to show in the next one's row."""
    status = await stage.system.client.get_system_status()
    async with grpc.aio.insecure_channel(stage.system.address) as channel:
        override = AdminServiceStub(channel).OverrideBreaker
        for breaker in status.breakers:
            await override(
                admin.OverrideBreakerRequest(target=breaker.target, override=admin.BREAKER_OVERRIDE_AUTOMATIC)
            )


async def until_whole(stage: Stage) -> None:
    """Waits until a question is answered by the first provider again."""
    give_up = time.monotonic() + 30
    while (seen := await query(stage, 0)).answered_by != "openai":
        assert time.monotonic() < give_up, f"did not recover: {seen}"
        await close_breakers(stage)


async def nothing_is_lost(stage: Stage, number: int, seen: Seen) -> None:
    """What was acknowledged is there, what was not can be sent again, and nothing is half done."""
    client = stage.system.client
    if seen.answered_by != "INDEXED":
        assert await upload(stage, number) == INDEXED, seen
    found = await client.search(f"locker number {number}", limit=50)
    assert [p for p in found.passages if p.filename == f"locker-{number}.txt"], "acknowledged and not found"
    stats = await client.get_stats()
    assert (stats.processing_document_count, stats.failed_document_count) == (0, 0)
    mascot = await client.search("mascot of the firm", limit=50)
    assert "mascot.txt" in {passage.filename for passage in mascot.passages}


async def play(stage: Stage, fault: Fault, number: int) -> list[Row]:
    """The three calls under one fault, healed after each."""
    rows = []
    for call, make in CALLS.items():
        await fault.inject(stage)
        began = time.monotonic()
        seen = await make(stage, number)
        seconds = time.monotonic() - began
        await fault.heal(stage)
        await until_whole(stage)
        await close_breakers(stage)
        if make is upload:
            await nothing_is_lost(stage, number, seen)
        rows.append(Row(fault.name, call, seen, seconds))
    return rows


@asynccontextmanager
async def staged(folder: Path, *, engines: bool) -> AsyncIterator[Stage]:
    """The four services with two model servers, and with Qdrant and Redis servers when asked for."""
    async with AsyncExitStack() as stack:
        openai = await stack.enter_async_context(LlmServer())
        anthropic = await stack.enter_async_context(LlmServer())
        env = SETTINGS | {
            "OPENAI_BASE_URL": f"http://127.0.0.1:{openai.port}/v1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{anthropic.port}",
        }
        qdrant, redis = None, None
        if engines:
            servers = stack.enter_context(one_server(folder / "qdrant"))
            redis = stack.enter_context(redis_server(folder))
            qdrant = servers.nodes[0]
            env |= {"VECTOR_STORE": "qdrant", "QDRANT_URL": servers.url}
            env |= {"STATE_URL": redis.url, "RATE_LIMIT_REQUESTS": "100000"}
        system = await stack.enter_async_context(running_system(folder, **env))
        openai.play(*OPENAI)
        anthropic.play(*ANTHROPIC)
        stage = Stage(system, openai, anthropic, qdrant, redis)
        await system.client.upload_document("mascot.txt", FACT)
        await until_whole(stage)
        yield stage


async def check(stage: Stage, faults: Sequence[Fault]) -> list[Row]:
    """Plays the faults; fails with every row that is not as expected."""
    rows = []
    for number, fault in enumerate(faults):
        rows += await play(stage, fault, number)
    by_name = {fault.name: fault for fault in faults}
    wrong = [
        (row.fault, row.call, row.seen, expected(by_name[row.fault], row.call))
        for row in rows
        if row.seen != expected(by_name[row.fault], row.call)
    ]
    assert wrong == []
    assert max(row.seconds for row in rows) < ALLOWED_SECONDS + 5
    return rows


def table(rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join([*row.cells(), f'{row.seconds:.2f}', 'nothing'])} |" for row in rows]
    return "\n".join([HEADER, *lines])


@pytest.mark.timeout(300)
async def test_faults_of_providers(tmp_path: Path) -> None:
    async with staged(tmp_path, engines=False) as stage:
        await check(stage, PROVIDER_FAULTS)


@pytest.mark.slow
@pytest.mark.externals
@pytest.mark.timeout(900)
async def test_every_fault(tmp_path: Path) -> None:
    async with staged(tmp_path, engines=True) as stage:
        rows = await check(stage, [*PROVIDER_FAULTS, *SERVICE_FAULTS, *ENGINE_FAULTS])
    if WRITE:
        replace_section(DOCUMENT, SECTION, table(rows))


def test_the_documented_matrix_is_what_the_tests_expect() -> None:
    rows = [
        Row(fault.name, call, replace(expected(fault, call)), 0.0).cells()
        for fault in (*PROVIDER_FAULTS, *SERVICE_FAULTS, *ENGINE_FAULTS)
        for call in CALLS
    ]
    documented = [
        [cell.strip() for cell in line.strip("|").split(" | ")][:5]
        for line in read_section(DOCUMENT, SECTION).splitlines()[2:]
    ]
    assert documented == rows, "run `make fault-matrix`"
