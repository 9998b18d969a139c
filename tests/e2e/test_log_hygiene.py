"""What people ask, and what their documents say, stands in no log line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docuquery_client import ApiError
from tests.contract.llm_server import End, Finish, LlmServer, Open, Status, Text
from tests.e2e.support import running_system

WORDS = ("Quillfeather", "Brackenmoor", "Thistlewick")
FACT = "The mascot of Quillfeather is a heron named Brackenmoor, born to serve."
QUESTION = "What is the mascot of Quillfeather, Thistlewick?"
SERVICES = ("gateway", "ingest", "retrieval", "answer")


async def test_no_line_carries_a_question_or_a_document(tmp_path: Path) -> None:
    async with (
        LlmServer() as llm,
        running_system(
            tmp_path,
            LOG_LEVEL="INFO",
            OPENAI_BASE_URL=f"http://127.0.0.1:{llm.port}/v1",
            OPENAI_API_KEY="sk-test-0123456789",
        ) as system,
    ):
        client = system.client
        await client.upload_document("mascot.txt", FACT.encode())
        llm.play(Open(), Text(f"{FACT} [1] And [9]."), Finish("stop"), End())
        for _ in range(2):  # the second one is rewritten
            await client.ask(QUESTION, conversation_id="c")
        async for _ in client.ask_stream(QUESTION):
            pass
        echo = json.dumps({"error": {"message": f"bad input {QUESTION!r} {FACT!r}", "type": "x"}})
        for status in (400, 401, 422, 500):
            llm.play(Status(status, body=echo.encode()))
            await client.ask(QUESTION, conversation_id="c")
        await client.search(QUESTION)
        with pytest.raises(ApiError):
            await client.ask(QUESTION * 100)
        with pytest.raises(ApiError):
            await client.ask(QUESTION, provider="nobody")
        lines = [line for name in SERVICES for line in system.stack.processes[name].lines]
    logged = "\n".join(lines)
    assert "provider_call_failed" in logged
    assert "bad input" in logged
    assert [word for word in WORDS if word in logged] == []
    assert "sk-test" not in logged
