"""Wrong input gets the right code, a reason and a sentence; nothing internal reaches the caller."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from docuquery.common.v1 import document_pb2, filter_pb2
from docuquery_client import ApiError, AsyncDocuQuery
from tests.e2e.support import running_system

UNKNOWN = "00000000-0000-4000-8000-000000000000"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nnothing else"

Call = Callable[[AsyncDocuQuery], Awaitable[Any]]

CASES: dict[str, tuple[Call, grpc.StatusCode, str, str]] = {
    "empty document": (
        lambda c: c.upload_document("a.txt", b""),
        grpc.StatusCode.INVALID_ARGUMENT,
        "EMPTY_DOCUMENT",
        "",
    ),
    "unknown type": (
        lambda c: c.upload_document("a.bin", bytes(range(256)) * 20),
        grpc.StatusCode.INVALID_ARGUMENT,
        "UNSUPPORTED_DOCUMENT_TYPE",
        "",
    ),
    "broken PDF": (
        lambda c: c.upload_document("a.pdf", PDF),
        grpc.StatusCode.INVALID_ARGUMENT,
        "DOCUMENT_CORRUPT",
        "",
    ),
    "declared type and content differ": (
        lambda c: c.upload_document("a.pdf", b"plain words", type=document_pb2.DOCUMENT_TYPE_PDF),
        grpc.StatusCode.INVALID_ARGUMENT,
        "DOCUMENT_TYPE_MISMATCH",
        "",
    ),
    "over the unary limit": (
        lambda c: c.upload_document("a.txt", b"words " * 1_000_000),
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "MESSAGE_TOO_LARGE",
        "UploadDocuments",
    ),
    "no filename": (
        lambda c: c.upload_document("", b"words"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "filename",
    ),
    "the source exists and the caller wants to know": (
        lambda c: c.upload_document("mascot.txt", b"words", if_exists=document_pb2.IF_EXISTS_POLICY_FAIL),
        grpc.StatusCode.ALREADY_EXISTS,
        "DOCUMENT_ALREADY_EXISTS",
        "",
    ),
    "empty question": (
        lambda c: c.ask("  \t "),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "question",
    ),
    "question too long": (
        lambda c: c.ask("x" * 1001),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "1000",
    ),
    "top_k 0": (
        lambda c: c.ask("Who?", top_k=0),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "top_k",
    ),
    "top_k 21": (
        lambda c: c.ask("Who?", top_k=21),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "top_k",
    ),
    "limit 201": (
        lambda c: c.search("Who?", limit=201),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "limit",
    ),
    "unknown filter field": (
        lambda c: c.search(
            "Who?",
            filter=filter_pb2.Filter(conditions=[filter_pb2.Condition(field="tenant", exists=True)]),
        ),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "field",
    ),
    "unknown prompt version": (
        lambda c: c.ask("What is the mascot?", prompt_version="v99"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "PROMPT_VERSION_NOT_FOUND",
        "v1",
    ),
    "unknown provider": (
        lambda c: c.ask("What is the mascot?", provider="nobody"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "PROVIDER_NOT_CONFIGURED",
        "extractive",
    ),
    "unknown document": (
        lambda c: c.get_document(UNKNOWN),
        grpc.StatusCode.NOT_FOUND,
        "DOCUMENT_NOT_FOUND",
        "",
    ),
    "delete of an unknown document": (
        lambda c: c.delete_document(UNKNOWN),
        grpc.StatusCode.NOT_FOUND,
        "DOCUMENT_NOT_FOUND",
        "",
    ),
    "an id that is none": (
        lambda c: c.get_document("../etc/passwd"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        "document_id",
    ),
    "unknown conversation": (
        lambda c: c.get_conversation("never-begun"),
        grpc.StatusCode.NOT_FOUND,
        "CONVERSATION_NOT_FOUND",
        "",
    ),
    "forged page token": (
        lambda c: c.list_documents(page_token="AAAA"),
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_PAGE_TOKEN",
        "",
    ),
}
LEAKS = ("Traceback", 'File "', "/services/", "site-packages", "0x7", "qdrant", "<class")


async def test_every_wrong_input_is_refused_with_a_reason_and_a_sentence(tmp_path: Path) -> None:
    async with running_system(tmp_path) as system:
        await system.client.upload_document("mascot.txt", b"The mascot of the firm is a heron.")
        for name, (call, code, reason, mentions) in CASES.items():
            with pytest.raises(ApiError) as caught:
                await call(system.client)
            error = caught.value
            assert (error.code, error.reason) == (code, reason), f"{name}: {error!r}"
            assert len(error.message) > 15, name
            assert error.message.endswith((".", "!", "?", ")")), f"{name}: {error.message}"
            said = error.message + str(error.violations) + str(error.metadata)
            assert mentions in said, f"{name}: {said}"
            assert not any(leak.lower() in said.lower() for leak in LEAKS), f"{name}: {said}"
            assert error.request_id, name
        # Nothing of it was kept, and the system is as well as before.
        stats = await system.client.get_stats()
        assert stats.indexed_document_count == 1
        assert not [
            line
            for service in system.stack.addresses
            for line in system.log_lines(service)
            if line["event"] == "unexpected_error"
        ]


async def start_gateway(**env: str) -> tuple[int | None, str]:
    """Starts a gateway; returns its exit code (None: it was still running after a while) and its words."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway",
        env={**os.environ, "GATEWAY_PORT": "0", "LOG_FORMAT": "json", **env},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(20):
        while line := (await process.stderr.readline()).decode():
            said += line
            if '"serving"' in line:
                process.terminate()
                said += (await process.stderr.read()).decode()
                await process.wait()
                return None, said
    return await process.wait(), said


async def test_without_keys_the_gateway_serves_this_machine_only() -> None:
    code, said = await start_gateway(GATEWAY_HOST="0.0.0.0")
    assert code == 2
    assert "ALLOW_ANONYMOUS" in said
    assert "ALLOW_PLAINTEXT" in said
    code, _ = await start_gateway(GATEWAY_HOST="0.0.0.0", ALLOW_ANONYMOUS="true", ALLOW_PLAINTEXT="true")
    assert code is None


async def test_every_wrong_setting_is_named_at_once() -> None:
    code, said = await start_gateway(RETRIEVAL_TOP_K="99", LOG_LEVEL="LOUD")
    assert code == 2
    assert "RETRIEVAL_TOP_K" in said
    assert "LOG_LEVEL" in said
