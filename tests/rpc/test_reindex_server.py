"""`docuquery admin reindex` on a Qdrant server: the services go on, then restart one after the other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import passage_pb2, reindex_pb2
from libs.errors import DocuQueryError
from tests.contract.embeddings_server import EmbeddingsServer, Slow, Status
from tests.contract.store_targets import Targets
from tests.rpc.reindex_support import (
    OLD,
    QUERY,
    Held,
    Load,
    changing,
    eventually,
    new,
    stable,
    status_of,
    upload,
)
from tests.rpc.retrieval_support import Client, Draft, running, where

ROOT = Path(__file__).parents[2]
DENSE = passage_pb2.SEARCH_MODE_DENSE
WANTED = {"embedder": "openai/m", "dimensions": 64}


@pytest.fixture(params=["server", pytest.param("cluster", marks=pytest.mark.slow)])
async def store(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[dict[str, Any]]:
    """Settings for an empty store that other tests have not used."""
    engine = str(request.param)
    async with targets.unshared(engine, tmp_path) as place:
        yield targets.settings(engine, place)


@pytest.fixture
async def server() -> AsyncIterator[EmbeddingsServer]:
    async with EmbeddingsServer() as started:
        yield started


class Admin:
    """`docuquery admin reindex` as a process of its own, with some service's settings."""

    def __init__(self, folder: Path, store: dict[str, Any], fields: dict[str, Any]) -> None:
        self._folder = folder
        self._settings = {name.upper(): str(value) for name, value in (store | fields).items()}

    async def start(self, *options: str) -> asyncio.subprocess.Process:
        self._folder.mkdir(exist_ok=True)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.retrieval.admin", "reindex", *options),
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "libs/gen", ROOT / "libs/client"))),
                "DATA_DIR": str(self._folder),
                **self._settings,
            },
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *options: str) -> tuple[int, str, str]:
        """To its end: exit code, standard output, standard error."""
        process = await self.start(*options)
        with ended(process):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def events(self, *options: str) -> list[dict[str, Any]]:
        """What it tells as JSON when it succeeds."""
        code, out, err = await self.run("--json", *options)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]


@contextmanager
def ended(process: asyncio.subprocess.Process) -> Iterator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()


async def has_asked(server: EmbeddingsServer, texts: int) -> bool:
    return len(server.texts) >= texts


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [5, pytest.param(25, marks=pytest.mark.slow)])
async def test_a_store_changes_over_while_it_is_searched_and_written(
    server: EmbeddingsServer, tmp_path: Path, store: dict[str, Any], size: int
) -> None:
    """Two processes serve all the while; the command is killed once; then they restart in turn.

    No search mixes spaces or loses a document, and what either process acknowledges both of them find.
    """
    documents = [stable(number, 100) for number in range(size)]
    former, wanted = {**store, **OLD}, {**store, **new(server)}
    admin = Admin(tmp_path / "admin", store, new(server))
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        clients = [
            await stack.enter_async_context(running(tmp_path / name, **former))
            for name, stack in (("one", first), ("two", second))
        ]
        for draft in documents:
            await clients[0].upload(draft)
        load = Load(clients, documents)
        load.start(readers=2, writers=1)
        server.play(then=Slow(0.4))

        process = await admin.start()
        with ended(process):
            await eventually(partial(is_being_filled, clients[0]))
            await load.until(lambda: len(server.texts) >= 30 * size)
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL, "it was killed in the middle"
        with pytest.raises(DocuQueryError, match="not whole yet"):
            async with running(tmp_path / "early", **wanted):
                pytest.fail("a process of the new settings served before the switch")
        server.play()
        events = await admin.events()
        assert events[-1]["event"] == "switched"
        assert WANTED.items() <= events[-1]["wanted"].items()
        progress = [event for event in events if event["event"] == "progress"]
        assert progress[-1]["chunks"] >= 100 * size
        assert load.spaces_seen[-1] == "old"

        for position, (name, stack) in enumerate((("one", first), ("two", second))):
            await load.exchange([clients[1 - position]])
            await stack.aclose()
            clients[position] = await stack.enter_async_context(running(tmp_path / f"new {name}", **wanted))
            for draft in documents:
                await load.check_whole(clients[position], draft)
            await load.exchange(clients)
            status = await status_of(clients[position])
            assert status is not None
            assert status.state == reindex_pb2.REINDEX_STATE_SWITCHED
        await load.stop()
        assert {"old", "new"} <= set(load.spaces_seen)
        assert load.spaces_seen[-1] == "new"

        events = await admin.events("--finish")
        assert events[-1]["event"] == "finished"
        await eventually(partial(is_at_rest, clients[0]))
        for client in clients:
            for draft in documents:
                await load.check_whole(client, draft)
            for source in (*load.acknowledged, *load.deleted):
                await load.check_changing(client, source)
        assert (await clients[0].stats()).chunk_count == 100 * size + 20 * len(load.acknowledged)
        await eventually(partial(finds_by_meaning, clients[0], changing("0-kept", 0).source, 20))


async def is_being_filled(client: Client) -> bool:
    status = await status_of(client)
    return status is not None and status.state == reindex_pb2.REINDEX_STATE_RUNNING and status.chunks_done > 0


async def is_at_rest(client: Client) -> bool:
    return await status_of(client) is None


async def finds_by_meaning(client: Client, source: str, chunks: int) -> bool:
    only = where("source", equals=source)
    return len(await client.search(QUERY, limit=200, mode=DENSE, filter=only)) == chunks


@pytest.mark.slow
async def test_what_one_process_uploads_the_other_finds_while_they_restart_in_turn(
    server: EmbeddingsServer, tmp_path: Path, store: dict[str, Any]
) -> None:
    """By words at once, by meaning within seconds; replaced and deleted at once."""
    wanted = {**store, **new(server)}
    async with running(tmp_path / "old", **store) as old:
        await old.upload(stable(1, 5))
        await Admin(tmp_path / "admin", store, new(server)).events()
        async with running(tmp_path / "new", **wanted) as renewed:
            assert len(await renewed.search(QUERY, limit=50, mode=DENSE)) == 5
            for writer, reader, name in ((old, renewed, "a"), (renewed, old, "b")):
                draft = changing(name, 1)
                for revision in (1, 2):
                    document = (await upload(writer, changing(name, revision))).document
                    only = where("source", equals=draft.source)
                    found = await reader.search(QUERY, limit=50, filter=only)
                    assert [p.text.split()[1] for p in found] == [str(revision)] * 20
                await eventually(partial(finds_by_meaning, reader, draft.source, 20))
                await writer.delete(document.document_id)
                assert await reader.search(QUERY, limit=50, filter=only) == []
            code, _, said = await Admin(tmp_path / "admin", store, new(server)).run("--finish")
            assert (code, "1 retrieval processes still search" in said) == (1, True), said
            assert await old.search(QUERY, limit=50)


async def test_a_process_that_starts_after_the_switch_has_caught_up_before_it_serves(
    server: EmbeddingsServer, tmp_path: Path, store: dict[str, Any]
) -> None:
    """Also with what a process stored that never heard of the new vectors, as one of an older version."""
    async with running(tmp_path / "old", Held(), **store) as unaware:
        await unaware.upload(stable(1, 5))
        await Admin(tmp_path / "admin", store, new(server)).events()
        await unaware.upload(stable(2, 5))
        await unaware.upload(Draft("stable/1.txt", ["Harbour 1 was closed in spring."]))
        async with running(tmp_path / "new", **{**store, **new(server)}) as renewed:
            found = await renewed.search(QUERY, limit=50, mode=DENSE)
            assert len(found) == 6
            server.play(then=Status(500))
            await unaware.upload(stable(3, 5))
        fields = {**store, **new(server, embedding_timeout_seconds=1.0)}
        async with running(tmp_path / "new", **fields) as renewed:  # the embedder is down now
            only = where("source", equals="stable/3.txt")
            found = await renewed.search(QUERY, limit=50, mode=passage_pb2.SEARCH_MODE_SPARSE, filter=only)
            assert len(found) == 5, "by words, until the embedder is back"


@pytest.mark.slow
async def test_the_command_goes_on_alone_and_says_what_is_to_be_done(
    server: EmbeddingsServer, tmp_path: Path, store: dict[str, Any]
) -> None:
    admin = Admin(tmp_path / "admin", store, new(server))
    async with running(tmp_path / "old", **store) as client:
        for number in range(3):
            await client.upload(stable(number, 40))
    code, out, err = await admin.run("--rate", "1000")
    assert code == 0, err
    assert "from local/wordllama-256 (256 dimensions)" in err
    assert "3 of 3 documents, 120 of 120 chunks" in err
    assert "Restart the retrieval processes" in out
    events = await admin.events()
    assert [event["event"] for event in events] == ["nothing_to_do"]
    code, out, _ = await Admin(tmp_path / "admin", store, OLD).run("--finish")
    assert code == 1, "those are not the settings of the store any more"
    assert (await admin.events("--finish"))[-1]["event"] == "finished"
    async with running(tmp_path / "new", **{**store, **new(server)}) as client:
        assert await status_of(client) is None
        assert len(await client.search(QUERY, limit=200, mode=DENSE)) == 120
