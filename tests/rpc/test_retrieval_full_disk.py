"""A full disk refuses documents, and nothing else; a folder that is gone does, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import Draft, running

MORE_THAN_ANY_DISK = 2**60
FIRST, SECOND = Draft("1.txt", ["The lighthouse keeper is called Odile."]), Draft("2.txt", ["Another one."])


async def test_what_is_stored_is_served_and_can_go_while_nothing_more_comes(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        stored = await client.upload(FIRST)
    async with running(tmp_path, edge_min_free_bytes=MORE_THAN_ANY_DISK) as client:
        for tenant in (client, client.of("new")):
            with pytest.raises(DocuQueryError) as caught:
                await tenant.upload(SECOND)
            assert caught.value.reason == reasons.ERROR_REASON_OVERLOADED
            assert "make room" in caught.value.message
        assert await client.search("lighthouse keeper")
        await client.delete(stored.document.document_id)
        assert not await client.search("lighthouse keeper")
    async with running(tmp_path, edge_min_free_bytes=1) as client:
        await client.upload(SECOND)
        assert await client.search("another")


async def test_no_document_is_said_to_be_stored_in_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    async with running(folder) as client:
        await client.upload(FIRST)
        shutil.rmtree(folder)
        with pytest.raises(DocuQueryError) as caught:
            await client.upload(SECOND)
        assert caught.value.reason == reasons.ERROR_REASON_STORE_UNAVAILABLE
        assert "is gone" in caught.value.message
