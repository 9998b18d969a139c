"""A store that changes from the local embedder to one behind HTTP while it is searched and written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from docuquery.common.v1 import passage_pb2, reindex_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.clock import SystemClock
from libs.errors import DocuQueryError
from tests.contract.embeddings_server import EmbeddingsServer, local_model
from tests.rpc.retrieval_support import Client, Draft, where

DIMENSIONS = 64
"""Of the new embedder: the local model's vectors cut short, so that every cosine is another."""
QUERY = "What is known of the harbours?"

OLD: dict[str, Any] = {}
"""Settings of the former vectors: the defaults."""


def new(server: EmbeddingsServer, **fields: Any) -> dict[str, Any]:
    """Settings of the new vectors."""
    return {
        "embedding_provider": "openai",
        "embedding_model": "m",
        "embedding_base_url": server.url,
        "embedding_dimensions": DIMENSIONS,
        "embedding_cache_bytes": 0,
        **fields,
    }


class Held(SystemClock):
    """Whoever wants to sleep for a second or longer waits for `go`: a service neither fills nor switches."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await (self.go.wait() if seconds >= 1.0 and not self.go.is_set() else super().sleep(seconds))


def stable(number: int, chunks: int) -> Draft:
    """A document nobody touches."""
    paragraphs = [f"Harbour {number}.{i} is known for its {i % 17} cranes." for i in range(chunks)]
    return Draft(f"stable/{number}.txt", paragraphs)


def changing(name: str, revision: int, chunks: int = 20) -> Draft:
    """A document that is replaced again and again."""
    paragraphs = [f"Revision {revision} on harbours, {name}, paragraph {i}." for i in range(chunks)]
    return Draft(f"changing/{name}.txt", paragraphs)


class Cosines:
    """Tells the space a passage was found in by its cosine."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, float]] = {}
        self._query = local_model().embed([QUERY])[0]

    def space(self, passage: passage_pb2.Passage) -> str:
        """`old`, `new`, or `words` when it has no cosine."""
        parts = passage.score_parts
        if not parts.HasField("dense"):
            return "words"
        near = [
            name
            for name, cosine in zip(("old", "new"), self._of(passage), strict=True)
            if abs(parts.dense - cosine) < 3e-3
        ]
        assert near, "a cosine of neither space"
        return near[0] if len(near) == 1 else "either"

    def _of(self, passage: passage_pb2.Passage) -> tuple[float, float]:
        text = f"{passage.headings[0]}\n{passage.text}"
        if text not in self._known:
            vector = local_model().embed([text])[0]
            short, query = vector[:DIMENSIONS], self._query[:DIMENSIONS]
            cut = float(short @ query / np.linalg.norm(short) / np.linalg.norm(query))
            self._known[text] = float(vector @ self._query), cut
        return self._known[text]


@dataclass(slots=True)
class Load:
    """Readers and writers that hold the service to its promises until they are told to stop."""

    clients: list[Client]
    """Processes to call; some may be exchanged meanwhile."""
    stable: Sequence[Draft]
    acknowledged: dict[str, int] = field(default_factory=dict)
    """Source → the revision that is live at least."""
    deleted: set[str] = field(default_factory=set)
    spaces_seen: list[str] = field(default_factory=list)
    searches: int = 0
    writes: int = 0
    stopping: bool = False
    cosines: Cosines = field(default_factory=Cosines)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _turns: dict[str, int] = field(default_factory=dict)

    def start(self, readers: int = 2, writers: int = 1) -> None:
        """Begins."""
        self.tasks += [asyncio.create_task(self._read(i)) for i in range(readers)]
        self.tasks += [asyncio.create_task(self._write(i)) for i in range(writers)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits, and fails when one of the tasks does."""

        async def holds() -> bool:
            for task in self.tasks:
                if task.done():
                    task.result()
            return condition()

        await eventually(holds)

    async def exchange(self, clients: list[Client]) -> None:
        """Has only `clients` called from now on; returns when everybody has begun anew with them, twice."""
        self.clients = clients
        before = dict(self._turns)
        await self.until(lambda: all(self._turns[name] > turn + 2 for name, turn in before.items()))

    async def stop(self) -> None:
        """Ends, and raises what went wrong."""
        self.stopping = True
        await asyncio.gather(*self.tasks)

    async def _read(self, name: int) -> None:
        turn = name
        while not self.stopping:
            turn += 1
            self._turns[f"reader {name}"] = turn
            client = self.clients[turn % len(self.clients)]
            await self.check_whole(client, self.stable[turn % len(self.stable)])
            found = await client.search(QUERY, limit=50)
            assert len(found) == 50
            self.spaces_seen.append(self.one_space(found))
            for source in list(self.acknowledged):
                await self.check_changing(client, source)
            self.searches += 1

    async def check_whole(self, client: Client, draft: Draft) -> None:
        """Every chunk of a document is found, once, in one space."""
        only = where("source", equals=draft.source)
        found = await client.search(QUERY, limit=200, filter=only)
        assert sorted(p.text for p in found) == sorted(draft.paragraphs), draft.source
        self.one_space(found)

    async def check_changing(self, client: Client, source: str) -> None:
        """One whole revision, no older than acknowledged before; nothing of what was deleted before."""
        least, was_deleted = self.acknowledged.get(source), source in self.deleted
        found = await client.search(QUERY, limit=200, filter=where("source", equals=source))
        revisions = {int(p.text.split()[1]) for p in found}
        if was_deleted:
            assert not found, source
        elif least is not None and source in self.acknowledged:  # else it is being deleted
            assert len(revisions) == 1, (source, revisions)
            assert revisions.pop() >= least
            assert len(found) == 20
        self.one_space(found)

    def one_space(self, found: Sequence[passage_pb2.Passage]) -> str:
        """The space all passages of a reply come from."""
        seen = {self.cosines.space(passage) for passage in found} - {"words", "either"}
        assert len(seen) <= 1, f"of several spaces: {seen}"
        return seen.pop() if seen else "words"

    async def _write(self, name: int) -> None:
        step = 0
        while not self.stopping:
            self._turns[f"writer {name}"] = step
            client = self.clients[step % len(self.clients)]
            kept, fleeting = f"{name}-kept", f"{name}-{step}"
            draft = changing(kept, step)
            await upload(client, draft)
            self.acknowledged[draft.source] = step
            draft = changing(fleeting, step)
            document_id = (await upload(client, draft)).document.document_id
            self.acknowledged[draft.source] = step
            await self.check_changing(client, draft.source)
            self.acknowledged.pop(draft.source)
            await client.delete(document_id)
            self.deleted.add(draft.source)
            await self.check_changing(client, draft.source)
            step += 1
            self.writes += 1


async def upload(client: Client, draft: Draft) -> Any:
    """Uploads as an ingest does: a failure that may pass is tried again."""
    for _ in range(20):
        try:
            return await client.upload(draft)
        except DocuQueryError as error:
            if not error.retryable:
                raise
        await asyncio.sleep(0.1)
    raise AssertionError("it never got through")


async def status_of(client: Client) -> reindex_pb2.Reindex | None:
    """The change under way, as a process tells it."""
    reply = await client.call(pb.GetStoreStatusRequest())
    return reply.reindex if reply.HasField("reindex") else None


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks until the answer is yes; fails after a minute and a half."""
    async with asyncio.timeout(90):
        while not await holds():  # noqa: ASYNC110 # what is waited for happens in another process
            await asyncio.sleep(0.05)


async def searches_by(client: Client, embedder: str) -> bool:
    """Whether the service searches by the vectors of `embedder`."""
    return bool((await client.stats()).embedder == embedder)


async def until_switched(client: Client) -> None:
    """Until the service searches by the new vectors, and nothing more changes."""

    async def is_done() -> bool:
        return await searches_by(client, "openai/m") and await status_of(client) is None

    await eventually(is_done)
