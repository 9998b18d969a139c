"""Conversations in Redis: they outlive the service, and their loss costs no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from docuquery.common.v1 import answer_pb2
from docuquery_client import ApiError
from tests.contract.redis_server import redis_server
from tests.e2e.support import running_system

QUESTION = "What is the mascot of the firm?"
FACT = "The mascot of the firm is a heron."


@pytest.mark.slow
@pytest.mark.externals
async def test_conversations_outlive_the_service_and_answers_outlive_redis(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as redis:
        async with running_system(tmp_path, STATE_URL=redis.url) as system:
            client = system.client
            await client.upload_document("mascot.txt", FACT.encode())
            first = await client.ask(QUESTION, conversation_id="c-1")
            assert (first.answer, list(first.degradations)) == (FACT, [])

            await system.kill("answer")
            await system.restart("answer")
            kept = await client.get_conversation("c-1")
            assert [turn.answer for turn in kept.turns] == [FACT]

            redis.kill()
            alone = await client.ask(QUESTION, conversation_id="c-1")
            assert alone.answer == FACT
            assert [d.kind for d in alone.degradations] == [
                answer_pb2.DEGRADATION_KIND_REWRITE_SKIPPED,
                answer_pb2.DEGRADATION_KIND_CONVERSATION_UNAVAILABLE,
            ]
            assert list((await client.ask(QUESTION)).degradations) == []
            with pytest.raises(ApiError) as caught:
                await client.get_conversation("c-1")
            assert caught.value.reason == "CONVERSATIONS_UNAVAILABLE"

            redis.start()
            await client.ask(QUESTION, conversation_id="c-2")
            assert str(redis.port) not in repr(system.log_lines("answer"))
