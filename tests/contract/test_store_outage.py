"""A server that goes away: a clear error while it is gone, everything there when it is back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.qdrant_server import Servers
from docuquery_client.ports import free_ports
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.retrieval.model import ChunkKey
from services.retrieval.store.questions import ChunkQuery
from services.retrieval.store.server.connection.addresses import Address, parse_addresses
from services.retrieval.store.server.layout import Layout
from services.retrieval.store.server.opening import ServerOptions, open_server
from services.retrieval.store.spaces import VectorSpace
from tests.contract.qdrant_server import one_server
from tests.contract.retrieval_samples import block, direction, embedded, record
from tests.contract.test_store import SPACE

TENANT = "acme"
API_KEY = "k-31415926"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A server of this test's own that asks for a key."""
    with one_server(tmp_path / "qdrant", SERVICE__API_KEY=API_KEY) as servers:
        yield servers


def options(servers: Servers) -> ServerOptions:
    return ServerOptions(parse_addresses(servers.url), API_KEY, "outage", Layout(3, 2, 0), 10.0)


async def test_a_killed_server_is_an_error_and_then_found_again(servers: Servers) -> None:
    """After SIGKILL and a restart everything acknowledged is there, by the connection made before."""
    async with open_server(options(servers), SPACE, SystemClock()) as stores:
        stored = record(1, chunks=5)
        attempt = stored.attempt.attempt_id
        await stores.chunks.write(TENANT, [embedded(attempt, i) for i in range(5)])
        await stores.texts.write(TENANT, attempt, [block(0, "abc")])
        assert await stores.records.put(TENANT, stored, expected_revision=None)
        servers.nodes[0].kill()

        started = time.monotonic()
        with pytest.raises(DocuQueryError) as caught:
            await stores.chunks.search(TENANT, ChunkQuery(direction(1), None, depth=5))
        assert caught.value.reason_name == "STORE_UNAVAILABLE"
        assert "127.0.0.1" not in caught.value.message
        assert time.monotonic() - started < 5.0

        servers.nodes[0].start()
        servers.nodes[0].wait()
        assert await stores.records.get(TENANT, stored.document_id) == stored
        found = await stores.chunks.search(TENANT, ChunkQuery(direction(1), None, depth=9))
        assert found.dense is not None
        assert found.dense.hits.keys() == {ChunkKey(attempt, i) for i in range(5)}
        assert await stores.texts.read(TENANT, attempt, 0, 9) == [block(0, "abc")]


async def test_another_key_or_vector_space_is_refused(servers: Servers) -> None:
    """Neither the key nor the server's own words reach the caller."""
    right = options(servers)
    async with open_server(right, SPACE, SystemClock()):
        pass
    with pytest.raises(DocuQueryError) as caught:
        async with open_server(replace(right, api_key="wrong"), SPACE, SystemClock()):
            pytest.fail("opened with a wrong key")
    assert caught.value.reason_name == "STORE_UNAVAILABLE"
    assert "wrong" not in caught.value.message
    for space, setting in (
        (VectorSpace("other/model", SPACE.dimensions, SPACE.sparse), "EMBEDDING_MODEL"),
        (VectorSpace(SPACE.embedder, SPACE.dimensions * 2, SPACE.sparse), "EMBEDDING_MODEL"),
        (replace(SPACE, sparse="other/terms"), "BM25_LANGUAGE"),
    ):
        with pytest.raises(DocuQueryError) as caught:
            async with open_server(right, space, SystemClock()):
                pytest.fail("opened in another vector space")
        assert caught.value.reason_name == "STORE_MISMATCH"
        assert setting in caught.value.message


async def test_no_server_at_all_is_said_at_the_start() -> None:
    (port,) = free_ports(1)
    nowhere = ServerOptions((Address(f"127.0.0.1:{port}", False),), "", "none", Layout(1, 1, 0), 5.0)
    with pytest.raises(DocuQueryError) as caught:
        async with open_server(nowhere, SPACE, SystemClock()):
            pytest.fail("opened without a server")
    assert caught.value.reason_name == "STORE_UNAVAILABLE"
