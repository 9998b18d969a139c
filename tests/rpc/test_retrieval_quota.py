"""A tenant indexes as much as its quota allows, and is told what to do about the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import Client, Draft, running


def draft(number: int, words: int = 10) -> Draft:
    return Draft(f"{number}.txt", [f"Document {number}. " + "word " * words])


async def refused(client: Client, wanted: Draft, **fields: int) -> DocuQueryError:
    with pytest.raises(DocuQueryError) as caught:
        await client.begin(wanted, **fields)
    assert caught.value.reason == reasons.ERROR_REASON_QUOTA_EXCEEDED
    assert not caught.value.retryable
    assert "Delete documents" in caught.value.message
    return caught.value


async def test_one_document_too_many_is_refused_until_another_goes(tmp_path: Path) -> None:
    async with running(tmp_path, quota_documents=2) as client:
        first = await client.upload(draft(1))
        await client.upload(draft(2))
        error = await refused(client, draft(3))
        assert "2 of 2 documents" in error.message
        await client.upload(draft(2, words=20))  # replaces its own
        await client.of("other").upload(draft(3))
        await client.delete(first.document.document_id)
        await client.upload(draft(3))


async def test_bytes_count_as_uploaded_and_what_is_replaced_makes_room(tmp_path: Path) -> None:
    async with running(tmp_path, quota_bytes=1000) as client:
        await client.upload(draft(1), size_bytes=600)
        error = await refused(client, draft(2), size_bytes=500)
        assert "600 of 1000 bytes" in error.message
        await client.upload(draft(2), size_bytes=400)
        await client.upload(draft(1, words=9), size_bytes=600)
        await refused(client, draft(1, words=8), size_bytes=601)


async def test_a_size_learnt_later_is_judged_then(tmp_path: Path) -> None:
    async with running(tmp_path, quota_bytes=1000) as client:
        begun = await client.begin(draft(1), size_bytes=0)
        news = pb.UpdateAttemptRequest(
            document_id=begun.document_id, attempt_token=begun.attempt_token, size_bytes=2000
        )
        with pytest.raises(DocuQueryError) as caught:
            await client.call(news)
        assert caught.value.reason == reasons.ERROR_REASON_QUOTA_EXCEEDED


async def test_of_many_at_once_no_more_get_in_than_fit(tmp_path: Path) -> None:
    async with running(tmp_path, quota_documents=3) as client:
        results = await asyncio.gather(*(client.upload(draft(i)) for i in range(10)), return_exceptions=True)
        failed = [result for result in results if isinstance(result, DocuQueryError)]
        assert len(failed) == 7
        assert {error.reason for error in failed} == {reasons.ERROR_REASON_QUOTA_EXCEEDED}
        assert (await client.stats()).indexed_document_count == 3


async def test_a_lowered_quota_keeps_what_is_there_and_lets_it_shrink(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        await client.upload(draft(1), size_bytes=600)
        await client.upload(draft(2), size_bytes=600)
    async with running(tmp_path, quota_documents=1, quota_bytes=500) as client:
        assert len(await client.list()) == 2
        await client.upload(draft(1, words=5), size_bytes=500)
        await refused(client, draft(3), size_bytes=1)
