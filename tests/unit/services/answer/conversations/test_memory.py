"""Conversations in memory are bounded in number and forgotten in time. The rest is in tests/contract."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import ConversationLimits
from tests.unit.services.answer.support import turn


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kept(clock: ManualClock) -> MemoryConversations:
    return MemoryConversations(clock, ConversationLimits(ttl_seconds=100, max_turns=3), max_count=2)


async def questions(kept: MemoryConversations, conversation_id: str) -> list[str]:
    return [t.question for t in (await kept.get("acme", conversation_id)).turns]


async def assert_unknown(kept: MemoryConversations, conversation_id: str) -> None:
    with pytest.raises(DocuQueryError) as caught:
        await kept.get("acme", conversation_id)
    assert caught.value.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND


async def test_an_unused_one_expires_and_use_renews_it(kept: MemoryConversations, clock: ManualClock) -> None:
    await kept.append("acme", "a", turn("1"))
    await kept.append("acme", "b", turn("1"))
    clock.advance(60)
    await kept.append("acme", "a", turn("2"))
    assert (await kept.get("acme", "a")).expire_time == clock.now() + timedelta(seconds=100)
    clock.advance(60)
    await assert_unknown(kept, "b")
    assert await questions(kept, "a") == ["1", "2"]


async def test_the_least_recently_used_goes_when_there_are_too_many(kept: MemoryConversations) -> None:
    for name in ("a", "b", "a", "c"):
        await kept.append("acme", name, turn(name))
    await assert_unknown(kept, "b")
    assert await questions(kept, "a") == ["a", "a"]
