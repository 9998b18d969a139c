"""Conversations are kept by tenant, bounded, and forgotten in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.answer.conversations import MemoryConversations
from tests.unit.services.answer.support import turn


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def kept(clock: ManualClock) -> MemoryConversations:
    return MemoryConversations(clock, ttl_seconds=100, max_turns=3, max_count=2)


async def questions(kept: MemoryConversations, tenant: str, conversation_id: str) -> list[str]:
    return [t.question for t in (await kept.get(tenant, conversation_id)).turns]


async def assert_unknown(kept: MemoryConversations, tenant: str, conversation_id: str) -> None:
    with pytest.raises(DocuQueryError) as caught:
        await kept.get(tenant, conversation_id)
    assert caught.value.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND


async def test_the_last_turns_are_kept_oldest_first(kept: MemoryConversations, clock: ManualClock) -> None:
    for number in range(5):
        await kept.append("acme", "c", turn(str(number)))
    assert await questions(kept, "acme", "c") == ["2", "3", "4"]
    assert (await kept.get("acme", "c")).expire_time == clock.now() + timedelta(seconds=100)


async def test_tenants_never_meet(kept: MemoryConversations) -> None:
    await kept.append("acme", "c", turn("ours"))
    await assert_unknown(kept, "other", "c")
    with pytest.raises(DocuQueryError):
        await kept.delete("other", "c")
    assert await questions(kept, "acme", "c") == ["ours"]


async def test_an_unused_one_expires_and_use_renews_it(kept: MemoryConversations, clock: ManualClock) -> None:
    await kept.append("acme", "a", turn("1"))
    await kept.append("acme", "b", turn("1"))
    clock.advance(60)
    await kept.append("acme", "a", turn("2"))
    clock.advance(60)
    await assert_unknown(kept, "acme", "b")
    assert await questions(kept, "acme", "a") == ["1", "2"]


async def test_the_least_recently_used_goes_when_there_are_too_many(kept: MemoryConversations) -> None:
    for name in ("a", "b", "a", "c"):
        await kept.append("acme", name, turn(name))
    await assert_unknown(kept, "acme", "b")
    assert await questions(kept, "acme", "a") == ["a", "a"]


async def test_a_deleted_one_is_gone_and_says_how_many_turns_it_had(kept: MemoryConversations) -> None:
    await kept.append("acme", "c", turn("1"))
    await kept.append("acme", "c", turn("2"))
    assert await kept.delete("acme", "c") == 2
    await assert_unknown(kept, "acme", "c")
