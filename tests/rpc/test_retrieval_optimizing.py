"""A Qdrant server that optimises all the while: what was acknowledged is found."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from tests.contract.qdrant_server import one_server
from tests.rpc.retrieval_support import Client, Draft, running, where

WRITERS = 4
QUERY = "What is known of the lighthouse?"


def draft(name: str, chunks: int = 20) -> Draft:
    return Draft(f"{name}.txt", [f"The lighthouse {name} has window {i}." for i in range(chunks)])


async def churn(client: Client) -> None:
    """Gives the server reason to optimise."""
    for number in itertools.count():
        document = (await client.upload(draft(f"churn {number}", 200))).document
        await client.delete(document.document_id)


async def write_and_look(client: Client, writer: int, rounds: int) -> None:
    """Whole documents are found at once, again and again; one in ten stays."""
    for number in range(rounds):
        wanted = draft(f"{writer}.{number}")
        document = (await client.upload(wanted)).document
        for _ in range(6):
            found = await client.search(QUERY, limit=100, filter=where("source", equals=wanted.source))
            assert sorted(p.text for p in found) == sorted(wanted.paragraphs)
        if number % 10:
            await client.delete(document.document_id)


@pytest.mark.slow  # half a minute: the server's optimiser has to meet a write a few times
async def test_chunks_written_while_the_server_optimises_are_found_by_a_filter(
    tmp_path: Path,
) -> None:
    """Qdrant 1.16 leaves some of them out of searches until it is done."""
    often = {
        "QDRANT__STORAGE__OPTIMIZERS__DELETED_THRESHOLD": "0.05",
        "QDRANT__STORAGE__OPTIMIZERS__VACUUM_MIN_VECTOR_NUMBER": "100",
        "QDRANT__STORAGE__OPTIMIZERS__FLUSH_INTERVAL_SEC": "1",
    }
    with one_server(tmp_path / "server", **often) as server:
        fields = {
            "vector_store": "qdrant",
            "qdrant_url": server.url,
            "log_level": "WARNING",
            "old_version_grace_seconds": 0.0,
        }
        async with running(tmp_path / "service", **fields) as client:
            churning = asyncio.create_task(churn(client))
            await asyncio.gather(*(write_and_look(client, writer, 100) for writer in range(WRITERS)))
            churning.cancel()
