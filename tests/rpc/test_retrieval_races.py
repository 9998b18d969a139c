"""Readers and writers at once, on every store: what a search returns always belongs to one live version."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import filter_pb2, passage_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import Client, Draft, running, where

CHUNKS = 300


def generation(number: int, chunks: int = CHUNKS) -> Draft:
    """A version of one document; every paragraph says which one."""
    paragraphs = [f"Generation {number} of the almanac says fact {i} about tides." for i in range(chunks)]
    return Draft("almanac.txt", paragraphs, metadata={"generation": number})


@pytest.mark.parametrize(
    ("grace_seconds", "chunks", "wanted"),
    [
        (0.0, 300, None),
        (0.0, 300, where("source", equals="almanac.txt")),
        (0.5, 300, None),
        pytest.param(0.0, 2500, None, marks=pytest.mark.slow),
    ],
)
async def test_readers_racing_a_replacement_see_one_whole_version(
    tmp_path: Path, store: dict[str, Any], grace_seconds: float, chunks: int, wanted: filter_pb2.Filter | None
) -> None:
    """Every search sees exactly one version, complete up to its limit, and never an older one than before."""
    async with running(tmp_path, **store, old_version_grace_seconds=grace_seconds) as client:
        await client.upload(generation(0, chunks))
        writing = asyncio.Event()

        async def read() -> int:
            searches, newest = 0, 0
            while not writing.is_set():
                found = await client.search("fact about tides in the almanac", limit=200, filter=wanted)
                seen = {int(p.metadata["generation"]) for p in found}
                assert len(found) == 200
                assert len(seen) == 1, "two versions at once"
                assert {p.version for p in found} == {generation(seen.pop(), chunks).version}
                number = int(found[0].metadata["generation"])
                assert all(p.text.startswith(f"Generation {number} ") for p in found)
                assert number >= newest
                newest, searches = number, searches + 1
            return searches

        readers = [asyncio.create_task(read()) for _ in range(2)]
        for number in range(1, 4):
            await client.upload(generation(number, chunks))
            found = await client.search("fact about tides", limit=5)
            assert {int(p.metadata["generation"]) for p in found} == {number}, (
                "an acknowledged commit is seen"
            )
        writing.set()
        assert min(await asyncio.gather(*readers)) > 3


async def test_readers_racing_a_delete_see_all_or_nothing(tmp_path: Path, store: dict[str, Any]) -> None:
    """Before the delete 200 passages, after it none; searches that begin after its return find none."""
    async with running(tmp_path, **store, old_version_grace_seconds=0.0) as client:
        for number in range(3):
            document = (await client.upload(generation(number))).document
            deleted = asyncio.Event()

            async def read(deleted: asyncio.Event = deleted) -> None:
                while True:
                    was_deleted = deleted.is_set()
                    found = await client.search("fact about tides", limit=200)
                    assert len(found) in ((0,) if was_deleted else (0, 200))
                    if was_deleted:
                        return

            readers = [asyncio.create_task(read()) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert await client.delete(document.document_id) == CHUNKS
            deleted.set()
            await asyncio.gather(*readers)


async def test_dead_versions_never_crowd_live_ones_out(tmp_path: Path, store: dict[str, Any]) -> None:
    """A thousand dead chunks that fit better do not keep the live ones from being found."""
    async with running(tmp_path, **store, old_version_grace_seconds=60.0) as client:
        better = [Draft(f"dead-{i}.txt", generation(i, 250).paragraphs) for i in range(4)]
        for draft in better:
            await client.upload(draft)
        live = [f"Tides, note {i}: nothing else is known." for i in range(20)]
        await client.upload(Draft("notes.txt", live))
        for document in await client.list():
            if document.source != "notes.txt":
                await client.delete(document.document_id)
        modes = (
            passage_pb2.SEARCH_MODE_HYBRID,
            passage_pb2.SEARCH_MODE_DENSE,
            passage_pb2.SEARCH_MODE_SPARSE,
        )
        for mode in modes:
            found = await client.search("the almanac says facts about tides", limit=20, mode=mode)
            assert {p.text for p in found} == set(live)


async def test_any_order_of_begin_write_commit_and_delete_ends_consistent(
    tmp_path: Path, store: dict[str, Any]
) -> None:
    """Several clients work on one document at random; whoever is acknowledged last is what is found."""
    async with running(tmp_path, **store, old_version_grace_seconds=0.0) as client:
        chooser = random.Random(20_26)  # any seed will do; a fixed one can be debugged
        outcomes: dict[str, int] = defaultdict(int)

        async def attempt(number: int) -> None:
            await asyncio.sleep(chooser.random() * 0.05)
            if number % 5 == 4:
                outcomes[await outcome(delete(client))] += 1
            else:
                outcomes[await outcome(client.upload(generation(number, 20)))] += 1

        for round_number in range(6):
            await asyncio.gather(*(attempt(round_number * 8 + i) for i in range(8)))
            documents = await client.list()
            found = await client.search("fact about tides", limit=200)
            stats = await client.stats()
            live = [d for d in documents if d.live_version]
            assert len(found) == stats.chunk_count == 20 * len(live)
            assert {p.version for p in found} == {d.live_version for d in live}
            assert len(documents) <= 1
        assert outcomes["done"] >= 6
        assert outcomes["ATTEMPT_SUPERSEDED"] >= 6
        assert set(outcomes) <= {"done", "ATTEMPT_SUPERSEDED", "DOCUMENT_NOT_FOUND"}


async def delete(client: Client) -> None:
    for document in await client.list():
        await client.delete(document.document_id)


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except DocuQueryError as error:
        return error.reason_name
    return "done"


async def test_commits_racing_a_delete_are_refused_or_deleted(tmp_path: Path, store: dict[str, Any]) -> None:
    """Whichever comes first, the document is either gone or was created anew; its token never revives it."""
    async with running(tmp_path, **store) as client:
        for _ in range(20):
            draft = generation(1, 3)
            begun = await client.begin(draft)
            await client.write(draft, begun)
            commit, deletion = await asyncio.gather(
                outcome(client.call(draft.commit(begun))),
                outcome(client.call(pb.DeleteDocumentRequest(document_id=begun.document_id))),
            )
            assert deletion == "done"
            assert commit in ("done", "ATTEMPT_SUPERSEDED")
            assert await client.list() == []
            assert await client.search("fact about tides") == []
