"""A cluster loses a node: nothing acknowledged is lost, and uploads and searches go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.qdrant_server import Servers
from libs.errors import DocuQueryError
from tests.contract.qdrant_server import cluster
from tests.rpc.retrieval_support import Client, Draft, running

CHUNKS = 40
# Until the others have given a dead node up, a write may fail; the client's own retry covers it.
OUTAGE_SECONDS = 15.0


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """A cluster of this test's own, since it does not survive it whole."""
    with cluster(tmp_path / "cluster") as servers:
        yield servers


def store(servers: Servers) -> dict[str, Any]:
    """Three shards, three copies, two of which must be written: what the defaults give."""
    return {"vector_store": "qdrant", "qdrant_url": servers.url, "qdrant_timeout_seconds": 20.0}


def draft(number: int, revision: int = 0) -> Draft:
    paragraphs = [
        f"Log {number}, revision {revision}, entry {i}: the lighthouse stood." for i in range(CHUNKS)
    ]
    return Draft(f"logs/{number}.txt", paragraphs, metadata={"revision": revision})


@dataclass(slots=True)
class Load:
    """Uploads and replaces documents, and searches, until it is told to stop."""

    client: Client
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Source → version."""
    written_at: list[float] = field(default_factory=list)
    read_at: list[float] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    stop: bool = False

    async def write(self, name: int) -> None:
        step = 0
        while not self.stop:
            document = draft(name * 1000 + step // 3, step % 3)
            try:
                begun = await self.client.begin(document)
                if begun.attempt_token:  # else an earlier commit went through without its reply
                    await self.client.write(document, begun)
                    await self.client.call(document.commit(begun))
            except DocuQueryError as error:
                self.failures.append((time.monotonic(), error.reason_name))
                continue  # as an ingest does: the same document again
            self.acknowledged[document.source] = document.version
            await self._note(self.written_at)
            step += 1

    async def read(self) -> None:
        while not self.stop:
            try:
                found = await self.client.search("the lighthouse stood", limit=100)
            except DocuQueryError as error:
                self.failures.append((time.monotonic(), error.reason_name))
                continue
            versions: dict[str, set[str]] = {}
            for passage in found:
                versions.setdefault(passage.source, set()).add(passage.version)
            assert all(len(seen) == 1 for seen in versions.values()), "two versions at once"
            await self._note(self.read_at)

    async def until(self, done: list[float], count: int, since: float) -> None:
        """Waits for `count` successes after `since`."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: sum(moment > since for moment in done) >= count)

    async def _note(self, done: list[float]) -> None:
        async with self.changed:
            done.append(time.monotonic())
            self.changed.notify_all()


async def require_all_there(client: Client, acknowledged: dict[str, str]) -> None:
    """Each acknowledged version is live and whole."""
    live = {document.source: document for document in await client.list()}
    for source, version in acknowledged.items():
        assert live[source].live_version == version, source
        assert live[source].chunk_count == CHUNKS
    assert (await client.stats()).chunk_count >= CHUNKS * len(acknowledged)


@pytest.mark.slow
async def test_a_killed_node_loses_nothing_and_stops_nothing(tmp_path: Path, servers: Servers) -> None:
    """First the node in use is killed, under load; then it comes back, and another one goes."""
    async with running(tmp_path, **store(servers)) as client:
        load = Load(client)
        await client.upload(draft(0))
        tasks = [asyncio.create_task(load.write(name)) for name in (1, 2)]
        tasks.append(asyncio.create_task(load.read()))
        for victim in (0, 2):
            started = time.monotonic()
            await load.until(load.written_at, 6, started)
            await load.until(load.read_at, 6, started)
            killed = time.monotonic()
            servers.nodes[victim].kill()
            await load.until(load.written_at, 6, killed)
            await load.until(load.read_at, 6, killed)
            assert min(t for t in load.written_at if t > killed + 0.1) < killed + OUTAGE_SECONDS
            assert all(moment < killed + OUTAGE_SECONDS for moment, _ in load.failures)
            if victim == 0:
                servers.nodes[victim].start()
                servers.nodes[victim].wait()
                await asyncio.sleep(3.0)  # it catches up; until then the other two must live
        load.stop = True
        await asyncio.gather(*tasks)
        await require_all_there(client, load.acknowledged)
