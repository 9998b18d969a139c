"""Restarts and kills: what was acknowledged is there, what was half done is not seen."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from docuquery.common.v1 import document_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from libs.rpc.channel import open_channel
from services.retrieval.app import start
from services.retrieval.store.manifest import VectorSpace, open_manifest
from tests.rpc.retrieval_support import MIB, Client, Draft, running, settings

ROOT = Path(__file__).parents[2]


def draft(number: int, revision: int = 0) -> Draft:
    paragraphs = [f"Document {number}, revision {revision}, paragraph {i} on harbours." for i in range(20)]
    return Draft(f"harbours/{number}.txt", paragraphs)


async def test_everything_is_found_again_after_a_restart(tmp_path: Path) -> None:
    """Documents of all tenants, page tokens, texts; and ids and create times stay the same."""
    async with running(tmp_path) as client:
        for number in range(3):
            await client.upload(draft(number))
        await client.of("globex").upload(draft(7))
        before = await client.list()
        token = (await client.call(pb.ListDocumentsRequest(page_size=1))).next_page_token
    async with running(tmp_path) as client:
        assert await client.list() == before
        second = await client.call(pb.ListDocumentsRequest(page_token=token))
        assert [d.source for d in second.documents] == ["harbours/1.txt", "harbours/0.txt"]
        assert len(await client.search("harbours", limit=200)) == 60
        assert len(await client.of("globex").search("harbours", limit=200)) == 20
        request = pb.GetPassageRequest(document_id=before[0].document_id, char_end=8)
        assert (await client.call(request)).text == "Document"
        assert (await client.upload(draft(1, revision=1))).result == document_pb2.UPLOAD_RESULT_REPLACED


async def test_an_attempt_goes_on_after_a_restart_of_retrieval(tmp_path: Path) -> None:
    """Its token, its chunks and its lease outlive the process; nothing of it was visible meanwhile."""
    async with running(tmp_path) as client:
        begun = await client.begin(draft(1))
        await client.call(draft(1).piece(begun, 0, 10))
    async with running(tmp_path) as client:
        assert await client.search("harbours") == []
        assert (await client.call(draft(1).piece(begun, 10, 20))).chunks_written == 20
        await client.call(draft(1).commit(begun))
        assert len(await client.search("harbours", limit=100)) == 20


async def test_leftovers_are_swept_at_the_start(tmp_path: Path) -> None:
    """Chunks of a superseded attempt, stopped before they were deleted, are gone from the store."""
    async with running(tmp_path, old_version_grace_seconds=3600) as client:
        for revision in range(3):
            await client.upload(draft(1, revision))
        abandoned = await client.begin(draft(2))
        await client.call(draft(2).piece(abandoned))
    async with running(tmp_path, ingest_lease_seconds=0.01):
        pass
    from services.retrieval.store.edge import open_edge  # noqa: PLC0415

    async with open_edge(tmp_path, space(tmp_path)) as stores:
        live = [await stores.chunks.count("acme", r.live.attempt_id) for r in await every_record(stores) if r.live]
        assert live == [20]
