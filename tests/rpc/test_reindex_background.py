"""REINDEX=background: the embedded store is embedded anew by the process that serves it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from docuquery.common.v1 import document_pb2, error_reason_pb2, passage_pb2, reindex_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from docuquery_client.ports import free_ports
from libs.errors import DocuQueryError
from libs.rpc.channel import open_channel
from services.retrieval.store.edge.manifest import read_manifest
from tests.contract.embeddings_server import EmbeddingsServer, Slow, Status
from tests.rpc.reindex_support import (
    OLD,
    QUERY,
    Held,
    Load,
    changing,
    eventually,
    new,
    searches_by,
    stable,
    status_of,
    until_switched,
    upload,
)
from tests.rpc.retrieval_support import MIB, Client, Draft, running, where

ROOT = Path(__file__).parents[2]
DENSE, SPARSE = passage_pb2.SEARCH_MODE_DENSE, passage_pb2.SEARCH_MODE_SPARSE


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as started:
        yield started


def background(server: EmbeddingsServer, **fields: Any) -> dict[str, Any]:
    return new(server, reindex="background", **fields)


def places(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("tenants*/*/chunks*")}


async def test_searches_and_uploads_go_on_all_the_while(server: EmbeddingsServer, tmp_path: Path) -> None:
    """No search mixes spaces or loses a document; each acknowledged write is there before and after."""
    documents = [stable(number, 100) for number in range(30)]
    async with running(tmp_path, **OLD) as client:
        for draft in documents:
            await client.upload(draft)
        await client.of("globex").upload(stable(99, 40))
    server.play(then=Slow(0.05))
    with structlog.testing.capture_logs() as logs:
        async with running(tmp_path, **background(server)) as client:
            load = Load([client], documents)
            load.start(readers=2, writers=2)
            await load.until(lambda: any(log["event"] == "reindex_switched" for log in logs))
            switched_after = load.searches
            await load.until(lambda: load.searches > switched_after + 4 and load.writes > 4)
            await load.stop()
            assert switched_after > 2
            assert {"old", "new"} <= set(load.spaces_seen)
            assert load.spaces_seen[-1] == "new"
            await until_switched(client)
            for draft in documents:
                await load.check_whole(client, draft)
            for source in load.acknowledged:
                await load.check_changing(client, source)
            assert len(await client.of("globex").search(QUERY, limit=200, mode=DENSE)) == 40
            stored = (await client.stats()).chunk_count
            assert stored == 3000 + 20 * len(load.acknowledged)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert places(tmp_path) == {manifest.space.place}
    server.requests.clear()
    async with running(tmp_path, **new(server)) as client:  # from now on as any other store
        assert len(await client.search(QUERY, limit=200, mode=DENSE)) == 200
        assert await status_of(client) is None


async def test_without_the_setting_it_is_refused_and_told_how(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    async with running(tmp_path, **OLD) as client:
        await client.upload(stable(1, 3))
    with pytest.raises(DocuQueryError, match="REINDEX=background") as caught:
        async with running(tmp_path, **new(server)):
            pytest.fail("opened in another space")
    assert caught.value.reason == error_reason_pb2.ERROR_REASON_STORE_MISMATCH


async def test_progress_is_told_while_it_lasts(server: EmbeddingsServer, tmp_path: Path) -> None:
    async with running(tmp_path, **OLD) as client:
        assert await status_of(client) is None
        for number in range(4):
            await client.upload(stable(number, 64))
    server.play(then=Slow(0.2))
    async with running(tmp_path, **background(server)) as client:
        seen: list[reindex_pb2.Reindex] = []
        while (status := await status_of(client)) is not None:
            seen.append(status)
            await asyncio.sleep(0.05)
        assert {status.state for status in seen} == {reindex_pb2.REINDEX_STATE_RUNNING}
        assert (seen[0].former.embedder, seen[0].wanted.embedder) == ("local/wordllama-256", "openai/m")
        assert seen[0].wanted.dimensions == 64
        done = [status.chunks_done for status in seen]
        assert done == sorted(done)
        assert set(done) & set(range(1, 256))
        told = [status for status in seen if status.chunks_done]
        assert {(s.chunk_count, s.document_count) for s in told} == {(256, 4)}
        assert all(s.chunks_per_second > 0 and s.HasField("seconds_left") for s in told)


async def test_by_words_alone_where_the_former_embedder_cannot_be_had(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """A question by meaning is refused as while an embedder is down: the gateway asks again by words."""
    async with running(tmp_path, **new(server)) as client:
        await client.upload(stable(1, 30))
    clock = Held()
    async with running(tmp_path, clock, reindex="background") as client:
        assert (await client.stats()).embedder == "openai/m"
        with pytest.raises(DocuQueryError, match="EMBEDDER_UNAVAILABLE"):
            await client.search(QUERY)
        assert len(await client.search(QUERY, mode=SPARSE, limit=50)) == 30
        await client.upload(changing("x", 1))
        found = await client.search(
            QUERY, mode=SPARSE, limit=50, filter=where("source", equals="changing/x.txt")
        )
        assert len(found) == 20, "INDEXED is searchable"
        clock.go.set()
        await eventually(lambda: searches_by(client, "local/wordllama-256"))
        assert len(await client.search(QUERY, mode=DENSE, limit=200)) == 50


async def test_the_former_model_of_the_same_server_still_answers(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """Nothing more need be set for it: it is asked for by its name, at the server there is."""
    async with running(
        tmp_path, **new(server, embedding_model="former", embedding_dimensions=None)
    ) as client:
        await client.upload(stable(1, 10))
    server.requests.clear()
    async with running(tmp_path, Held(), **background(server)) as client:
        found = await client.search(QUERY, mode=DENSE)
        assert len(found) == 10
        assert [request.body["model"] for request in server.requests if request.texts == [QUERY]] == [
            "former"
        ]
        assert (await client.stats()).embedder == "openai/former"


@pytest.mark.slow
async def test_going_back_in_the_middle_loses_nothing(server: EmbeddingsServer, tmp_path: Path) -> None:
    """What was uploaded meanwhile, by words only, is given its former vectors when those are set again."""
    async with running(tmp_path, **new(server)) as client:
        await client.upload(stable(1, 5))
    async with running(tmp_path, Held(), reindex="background") as client:
        await client.upload(changing("x", 1))
    with structlog.testing.capture_logs() as logs:
        async with running(tmp_path, **new(server)) as client:
            status = await status_of(client)
            assert status is not None
            assert status.state == reindex_pb2.REINDEX_STATE_STOPPED
            assert len(await client.search(QUERY, limit=200)) == 25
            await eventually(lambda: finds_by_meaning(client, 25))
    assert not [log for log in logs if log["event"] == "reindex_failed"]
    async with running(tmp_path, reindex="background") as client:  # and on again
        await eventually(lambda: searches_by(client, "local/wordllama-256"))
        assert len(await client.search(QUERY, mode=DENSE, limit=200)) == 25


async def finds_by_meaning(client: Client, passages: int) -> bool:
    return len(await client.search(QUERY, mode=DENSE, limit=200)) == passages


async def test_an_upload_that_began_before_the_restart_is_committed_whole(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """Its first pieces are in the former space only; before the switch and after it it goes on as ever."""
    first, second = changing("first", 1), changing("second", 1)
    async with running(tmp_path, **OLD) as client:
        await client.upload(stable(1, 5))
        begun = {draft.source: await client.begin(draft) for draft in (first, second)}
        for draft in (first, second):
            await client.call(draft.piece(begun[draft.source], 0, 10))
    clock = Held()
    async with running(tmp_path, clock, **background(server)) as client:
        await client.call(first.piece(begun[first.source], 10, 20))
        reply = await client.call(first.commit(begun[first.source]))
        assert reply.result == document_pb2.UPLOAD_RESULT_CREATED
        only = where("source", equals=first.source)
        assert len(await client.search(QUERY, limit=200, mode=DENSE, filter=only)) == 20
        clock.go.set()
        await until_switched(client)
        assert len(await client.search(QUERY, limit=200, mode=DENSE, filter=only)) == 20
        await client.call(second.piece(begun[second.source], 10, 20))
        await client.call(second.commit(begun[second.source]))
        only = where("source", equals=second.source)
        assert len(await client.search(QUERY, limit=200, mode=DENSE, filter=only)) == 20


async def test_a_server_that_asks_to_wait_is_waited_for(server: EmbeddingsServer, tmp_path: Path) -> None:
    """A 429 parks the filling, which then goes on; nothing is embedded twice but what was refused."""
    async with running(tmp_path, **OLD) as client:
        await client.upload(stable(1, 96))
    async with running(tmp_path, Held(), **background(server)) as client:
        pass
    server.requests.clear()
    async with running(tmp_path, **background(server)) as client:
        server.requests.clear()
        server.play(Status(429, headers={"retry-after-ms": "300"}), Status(503))
        await until_switched(client)
        assert sorted(set(server.texts)) == sorted(
            {f"Section {i}\n{text}" for i, text in enumerate(stable(1, 96).paragraphs)}
        )
        assert len(server.texts) == 96 + 2 * 32


# --- kill -9 ---


def spawn(folder: Path, port: int, fields: dict[str, Any]) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        **{name.upper(): str(value) for name, value in fields.items()},
        "DATA_DIR": str(folder),
        "RETRIEVAL_PORT": str(port),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "libs/gen"))),
    }
    command = [sys.executable, "-m", "services.retrieval"]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def child(
    folder: Path, fields: dict[str, Any]
) -> AsyncIterator[tuple[subprocess.Popen[bytes], Client]]:
    """The service as a process of its own."""
    (port,) = free_ports(1)
    with spawn(folder, port, fields) as process:
        try:
            async with open_channel(f"127.0.0.1:{port}", max_message_bytes=16 * MIB) as channel:
                async with asyncio.timeout(60):
                    await channel.channel_ready()
                yield process, Client(channel)
        finally:
            process.kill()


@pytest.mark.slow
async def test_a_kill_in_the_middle_costs_what_was_under_way(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """SIGKILL twice, uploads in between: all is there, and next to nothing is embedded twice."""
    documents = [stable(number, 128) for number in range(12)]
    async with running(tmp_path, **OLD) as client:
        for draft in documents:
            await client.upload(draft)
    server.play(then=Slow(0.05))
    uploaded: list[Draft] = []
    for number, requests in enumerate((8, 16)):
        async with child(tmp_path, background(server)) as (process, client):
            uploaded.append(changing(f"upload-{number}", 1))
            await upload(client, uploaded[-1])
            await eventually(partial(has_asked, server, requests))
            process.send_signal(signal.SIGKILL)
            process.wait()
    async with running(tmp_path, **background(server)) as client:
        load = Load([client], documents)
        for draft in (*documents, *uploaded):
            await load.check_whole(client, draft)
        await until_switched(client)
        for draft in (*documents, *uploaded):
            await load.check_whole(client, draft)
        assert len(await client.search(QUERY, limit=200, mode=DENSE)) == 200
        assert set(load.spaces_seen) <= {"new", "old", "words"}
    chunks = 12 * 128 + 2 * 20
    passages = [text for text in server.texts if text not in ("dimensions", QUERY)]
    assert chunks <= len(passages) <= chunks + 2 * 2 * 32 + 2 * 32
    assert places(tmp_path) == {read_place(tmp_path)}


async def has_asked(server: EmbeddingsServer, requests: int) -> bool:
    return len(server.requests) >= requests


def read_place(folder: Path) -> str:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest.spaces.current.place


@pytest.mark.slow
async def test_a_kill_after_the_switch_leaves_the_new_space_alone(
    server: EmbeddingsServer, tmp_path: Path
) -> None:
    """The former chunks, which nobody had removed yet, are removed by the next start."""
    async with running(tmp_path, **OLD) as client:
        await client.upload(stable(1, 20))
    fields = background(server, retrieval_old_version_grace_seconds=600)
    async with child(tmp_path, fields) as (process, client):
        await eventually(lambda: searches_by(client, "openai/m"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(places(tmp_path)) == 2
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH"):
        async with running(tmp_path, **OLD):
            pytest.fail("opened in the former space")
    async with running(tmp_path, **new(server)) as client:
        assert len(await client.search(QUERY, limit=200, mode=DENSE)) == 20
    assert places(tmp_path) == {read_place(tmp_path)}


async def test_a_request_for_the_store_status_needs_no_tenant(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        for tenant in ("acme", "nobody"):
            reply = await client.of(tenant).call(pb.GetStoreStatusRequest())
            assert not reply.HasField("reindex")
