"""Several retrieval processes on one store: what one has acknowledged, all show from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contract.store_targets import Targets
from tests.rpc.retrieval_support import Client, Draft, running

CHUNKS = 30
QUESTION = "fact about tides in the almanac"


@pytest.fixture(params=["server", "cluster"])
async def replicas(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[list[Client]]:
    """Two services; in a cluster each calls another node first."""
    engine = str(request.param)
    async with targets.fresh(engine, tmp_path, "rpc") as place, AsyncExitStack() as stack:
        store = targets.settings(engine, place)
        nodes = store["qdrant_url"].split(",")
        urls = (",".join(nodes[first:] + nodes[:first]) for first in (0, len(nodes) - 1))
        yield [
            await stack.enter_async_context(
                running(tmp_path, **store | {"qdrant_url": url}, old_version_grace_seconds=0.5)
            )
            for url in urls
        ]


def almanac(generation: int) -> Draft:
    """A version of one document; every chunk says which."""
    paragraphs = [f"Generation {generation} of the almanac says fact {i} about tides." for i in range(CHUNKS)]
    return Draft("almanac.txt", paragraphs, metadata={"generation": generation})


async def generations(client: Client) -> set[int]:
    """Those of a whole answer; none when nothing is found."""
    found = await client.search(QUESTION, limit=100)
    assert len(found) in (0, CHUNKS)
    return {int(passage.metadata["generation"]) for passage in found}


async def test_a_replacement_or_delete_acknowledged_by_one_is_seen_by_the_other(
    replicas: list[Client],
) -> None:
    """Also by one that has searched the moment before, and by each in turn."""
    for round_number in range(6):
        writer, reader = replicas[round_number % 2], replicas[(round_number + 1) % 2]
        for generation in (2 * round_number, 2 * round_number + 1):
            document = (await writer.upload(almanac(generation))).document
            assert await generations(reader) == {generation}
            assert await generations(writer) == {generation}
        await writer.delete(document.document_id)
        assert await generations(reader) == set()
        assert await generations(writer) == set()


async def test_readers_of_each_see_one_whole_version_while_both_write(replicas: list[Client]) -> None:
    """Replacements come through both in turn; every answer is one version, never older than one before."""
    await replicas[0].upload(almanac(0))
    done = asyncio.Event()

    async def read(client: Client) -> int:
        searches, newest = 0, 0
        while not done.is_set():
            seen = await generations(client)
            assert len(seen) == 1, "none, or two versions at once"
            assert min(seen) >= newest
            newest, searches = min(seen), searches + 1
        return searches

    readers = [asyncio.create_task(read(client)) for client in replicas]
    for generation in range(1, 9):
        await replicas[generation % 2].upload(almanac(generation))
    done.set()
    assert min(await asyncio.gather(*readers)) > 3
