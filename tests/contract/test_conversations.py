"""What every store of conversations owes the service: this process's memory and a real Redis alike."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock, SystemClock
from libs.errors import DocuQueryError
from services.answer.conversations.codec import encode
from services.answer.conversations.memory import MemoryConversations
from services.answer.conversations.protocol import ConversationLimits, Conversations
from services.answer.conversations.redis import PAUSE_SECONDS, RedisConversations
from tests.certificates import Authority
from tests.contract.redis_server import RedisServer, redis_server
from tests.unit.services.answer.support import turn

LIMITS = ConversationLimits(ttl_seconds=100, max_turns=3, max_bytes=2000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


class Stores:
    """Makes stores of one kind; what those of Redis keep is shared, as between replicas."""

    def __init__(self, server: RedisServer | None) -> None:
        self._server = server
        self._opened: list[RedisConversations] = []

    def open(self, limits: ConversationLimits = LIMITS) -> Conversations:
        if self._server is None:
            return MemoryConversations(SystemClock(), limits, max_count=100)
        store = RedisConversations(self._server.url, SystemClock(), limits, timeout_seconds=10)
        self._opened.append(store)
        return store

    async def aclose(self) -> None:
        for store in self._opened:
            await store._redis.flushall()
            await store.aclose()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.externals)])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    kind = Stores(request.getfixturevalue("server") if request.param == "redis" else None)
    yield kind
    await kind.aclose()


@pytest.fixture
def kept(stores: Stores) -> Conversations:
    return stores.open()


async def questions(kept: Conversations, tenant: str = "acme", conversation_id: str = "c") -> list[str]:
    return [t.question for t in (await kept.get(tenant, conversation_id)).turns]


async def assert_unknown(kept: Conversations, tenant: str = "acme", conversation_id: str = "c") -> None:
    with pytest.raises(DocuQueryError) as caught:
        await kept.get(tenant, conversation_id)
    assert caught.value.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND


async def test_a_turn_comes_back_as_it_was(kept: Conversations) -> None:
    told = turn('Wie viele "Tage"?\n\x00 漢字 👩\u200d🚀', "Zehn.\u2028 \\ \ud800 end")
    await kept.append("acme", "c", told)
    [back] = (await kept.get("acme", "c")).turns
    assert (back.query_id, back.question, back.time) == (told.query_id, told.question, told.time)
    assert back.outcome is told.outcome
    assert back.answer in (told.answer, told.answer.replace("\ud800", "?"))


async def test_the_last_turns_are_kept_oldest_first(kept: Conversations) -> None:
    for number in range(5):
        await kept.append("acme", "c", turn(str(number)))
    assert await questions(kept) == ["2", "3", "4"]


async def test_it_says_when_it_will_be_forgotten(kept: Conversations) -> None:
    await kept.append("acme", "c", turn("1"))
    left = (await kept.get("acme", "c")).expire_time - SystemClock().now()
    assert timedelta(seconds=40) < left <= timedelta(seconds=100)


async def test_the_oldest_turns_go_when_there_are_too_many_bytes(kept: Conversations) -> None:
    for name in "abc":
        await kept.append("acme", "c", turn(name * 600))
    assert [q[0] for q in await questions(kept)] == ["b", "c"]


@pytest.mark.parametrize("character", ["x", "漢", '"'])
async def test_a_turn_that_is_too_large_by_itself_keeps_its_question_and_the_start_of_its_answer(
    kept: Conversations, character: str
) -> None:
    await kept.append("acme", "c", turn("first"))
    await kept.append("acme", "c", turn("Why?", character * 5000))
    [back] = (await kept.get("acme", "c")).turns
    assert back.question == "Why?"
    assert set(back.answer) == {character}
    assert len(encode(back)) <= LIMITS.max_bytes


async def test_the_same_query_again_replaces_its_turn(kept: Conversations) -> None:
    first, second = turn("one"), turn("two")
    for told in (first, second, second, first):
        await kept.append("acme", "c", told)
    assert await questions(kept) == ["two", "one"]


async def test_turns_told_at_once_are_all_kept(stores: Stores) -> None:
    limits = ConversationLimits(max_turns=100)
    replicas = [stores.open(limits) for _ in range(4)]
    if isinstance(replicas[0], MemoryConversations):
        replicas = replicas[:1]
    told = [turn(str(number)) for number in range(60)]
    await asyncio.gather(
        *(replicas[i % len(replicas)].append("acme", "c", one) for i, one in enumerate(told))
    )
    assert sorted(await questions(replicas[0]), key=int) == [str(number) for number in range(60)]


async def test_tenants_never_meet(kept: Conversations) -> None:
    await kept.append("acme", "c", turn("ours"))
    for tenant, name in (("other", "c"), ("acme", "d"), ("acme:c", ""), ("", "acme:c"), ("a", "cme:c")):
        await assert_unknown(kept, tenant, name)
        with pytest.raises(DocuQueryError):
            await kept.delete(tenant, name)
    assert await questions(kept) == ["ours"]


async def test_a_deleted_one_is_gone_and_says_how_many_turns_it_had(kept: Conversations) -> None:
    await kept.append("acme", "c", turn("1"))
    await kept.append("acme", "c", turn("2"))
    assert await kept.delete("acme", "c") == 2
    await assert_unknown(kept)
    with pytest.raises(DocuQueryError) as caught:
        await kept.delete("acme", "c")
    assert caught.value.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND


async def test_an_unused_one_is_forgotten(stores: Stores) -> None:
    kept = stores.open(ConversationLimits(ttl_seconds=0.05))
    await kept.append("acme", "c", turn("1"))
    with pytest.raises(DocuQueryError) as caught:
        async with asyncio.timeout(10):
            while True:
                await kept.get("acme", "c")
    assert caught.value.reason == reasons.ERROR_REASON_CONVERSATION_NOT_FOUND


# --- Redis alone ---


@pytest.mark.externals
async def test_replicas_see_each_others_turns(server: RedisServer) -> None:
    one, two = (RedisConversations(server.url, SystemClock(), LIMITS, timeout_seconds=10) for _ in range(2))
    await one.append("acme", "shared", turn("1"))
    await two.append("acme", "shared", turn("2"))
    assert await questions(one, conversation_id="shared") == ["1", "2"]
    assert await two.delete("acme", "shared") == 2
    await one.aclose()
    await two.aclose()


@pytest.mark.externals
async def test_turns_of_a_newer_program_are_passed_over(server: RedisServer) -> None:
    kept = RedisConversations(server.url, SystemClock(), LIMITS, timeout_seconds=10)
    await kept._redis.rpush("docuquery:conversation:acme:mixed", b"\xff", b"{}", b'{"outcome": "NEW"}')
    await kept.append("acme", "mixed", turn("mine"))
    assert await questions(kept, conversation_id="mixed") == ["mine"]
    await kept.aclose()


@pytest.mark.externals
async def test_a_server_that_was_restarted_is_used_again_without_an_error(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        kept = RedisConversations(server.url, SystemClock(), LIMITS, timeout_seconds=10)
        await kept.append("acme", "c", turn("1"))
        server.kill()
        server.start()
        await kept.append("acme", "c", turn("2"))
        assert await questions(kept) == ["2"]
        await kept.aclose()


@pytest.mark.externals
async def test_a_server_behind_tls_and_a_password_is_reached(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    shown = authority.issue("redis")
    options = ("--tls-cert-file", str(shown.cert), "--tls-key-file", str(shown.key))
    options += ("--tls-ca-cert-file", str(authority.ca))
    options += ("--tls-auth-clients", "no", "--requirepass", "p-123")
    query = f"?ssl_ca_certs={authority.ca}"
    with redis_server(tmp_path, *options, scheme="rediss", query=query) as server:
        trusted = server.url.replace("//", "//:p-123@")
        kept = RedisConversations(trusted, SystemClock(), LIMITS, timeout_seconds=10)
        await kept.append("acme", "c", turn("1"))
        assert await questions(kept) == ["1"]
        await kept.aclose()
        for wrong in (trusted.partition("?")[0], trusted.replace("p-123", "p-999")):
            with structlog.testing.capture_logs() as logs:
                await assert_unavailable(wrong, timeout_seconds=10)
            assert "p-999" not in repr(logs)
            assert "p-123" not in repr(logs)


# --- a Redis that is not there ---


async def assert_unavailable(url: str, timeout_seconds: float) -> None:
    clock = ManualClock()
    kept = RedisConversations(url, clock, LIMITS, timeout_seconds=timeout_seconds)
    for call in (
        lambda: kept.append("acme", "c", turn("1")),
        lambda: kept.get("acme", "c"),
        lambda: kept.delete("acme", "c"),
    ):
        with pytest.raises(DocuQueryError) as caught:
            await call()
        assert caught.value.reason == reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE
        assert caught.value.retryable
        clock.advance(PAUSE_SECONDS)
    await kept.aclose()


async def test_a_refused_connection_is_an_unavailable_store() -> None:
    with socket.socket() as unused:  # bound, but nobody listens
        unused.bind(("127.0.0.1", 0))
        await assert_unavailable(f"redis://127.0.0.1:{unused.getsockname()[1]}/0", timeout_seconds=10)


class Silent:
    """A server that takes connections and says nothing."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.read()
        writer.close()


async def test_a_store_that_does_not_answer_is_given_up_and_left_alone_for_a_while() -> None:
    silent = Silent()
    async with await asyncio.start_server(silent.serve, "127.0.0.1", 0) as listening:
        url = f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0"
        clock = ManualClock()
        kept = RedisConversations(url, clock, LIMITS, timeout_seconds=0.2)
        for _ in range(5):
            with pytest.raises(DocuQueryError) as caught:
                await kept.append("acme", "c", turn("1"))
            assert caught.value.reason == reasons.ERROR_REASON_CONVERSATIONS_UNAVAILABLE
        assert silent.connections == 1
        clock.advance(PAUSE_SECONDS)
        with pytest.raises(DocuQueryError):
            await kept.get("acme", "c")
        assert silent.connections == 2
        await kept.aclose()
