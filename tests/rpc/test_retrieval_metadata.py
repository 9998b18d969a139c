"""The live bytes sent again with other metadata: one record write, which every filter sees at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1 import document_pb2
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import Client, Draft, running, where

DRAFT = Draft("team.txt", ["The rota is drawn up on Mondays."], metadata={"team": "it", "year": 2024})
MOVED = replace(DRAFT, metadata={"team": "hr", "tags": ["rota"]})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as service:
        yield service


def silent(draft: Draft, **fields: Any) -> pb.BeginAttemptRequest:
    """The draft from an uploader who says nothing of metadata."""
    request = draft.begin(**fields)
    request.ClearField("metadata")
    return request


async def found(client: Client, team: str) -> int:
    return len(await client.search("rota", filter=where("metadata.team", equals=team)))


async def test_new_metadata_takes_the_place_of_the_old_without_new_chunks(client: Client) -> None:
    first = (await client.upload(DRAFT)).document
    reply = (await client.begin(MOVED, filename="renamed.txt")).nothing_to_do
    assert reply.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
    assert dict(reply.document.metadata) == {"team": "hr", "tags": ["rota"]}
    assert (reply.document.filename, reply.document.source) == ("renamed.txt", "team.txt")
    assert reply.document.live_version == first.live_version
    assert reply.document.update_time.ToNanoseconds() > first.update_time.ToNanoseconds()
    assert (await found(client, "it"), await found(client, "hr")) == (0, 1)
    assert [d.filename for d in await client.list(filter=where("metadata.tags", equals="rota"))] == [
        "renamed.txt"
    ]
    (passage,) = await client.search("rota")
    assert (passage.metadata["team"], passage.filename) == ("hr", "renamed.txt")
    assert (await client.stats()).chunk_count == 1


@pytest.mark.parametrize(
    "metadata", [{"year": 2024, "team": "it"}, {"team": "it", "year": 2024.0}], ids=["order", "number"]
)
async def test_the_same_metadata_is_no_news(client: Client, metadata: dict[str, Any]) -> None:
    first = (await client.upload(DRAFT)).document
    reply = (await client.begin(replace(DRAFT, metadata=metadata))).nothing_to_do
    assert reply.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    assert reply.document == first


async def test_true_is_not_1(client: Client) -> None:
    await client.upload(replace(DRAFT, metadata={"draft": 1}))
    reply = (await client.begin(replace(DRAFT, metadata={"draft": True}))).nothing_to_do
    assert reply.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
    assert len(await client.search("rota", filter=where("metadata.draft", equals=True))) == 1


async def test_absent_metadata_stays_and_an_empty_one_clears(client: Client) -> None:
    await client.upload(DRAFT)
    kept = (await client.call(silent(DRAFT))).nothing_to_do
    assert kept.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    assert kept.document.metadata["team"] == "it"
    cleared = (await client.begin(replace(DRAFT, metadata={}))).nothing_to_do
    assert cleared.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
    assert not cleared.document.metadata.fields


async def test_a_new_version_without_metadata_keeps_it_as_it_is_at_the_commit(client: Client) -> None:
    await client.upload(DRAFT)
    changed = replace(DRAFT, paragraphs=["The rota is drawn up on Fridays."])
    begun = await client.call(silent(changed))
    await client.write(changed, begun)
    assert (await client.begin(MOVED)).nothing_to_do.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
    document = (await client.call(changed.commit(begun))).document
    assert document.live_version == changed.version
    assert document.metadata["team"] == "hr"
    assert await found(client, "hr") == 1


async def test_an_attempt_that_learns_its_version_later_updates_too(client: Client) -> None:
    await client.upload(DRAFT)

    async def later(request: pb.BeginAttemptRequest) -> pb.NothingToDo:
        begun = await client.call(request)
        assert begun.attempt_token
        update = pb.UpdateAttemptRequest(
            document_id=begun.document_id, attempt_token=begun.attempt_token, version=DRAFT.version
        )
        return (await client.call(update)).nothing_to_do

    updated = await later(MOVED.begin(version=""))
    assert updated.result == document_pb2.UPLOAD_RESULT_METADATA_UPDATED
    assert await found(client, "hr") == 1
    unchanged = await later(silent(DRAFT, version=""))
    assert unchanged.result == document_pb2.UPLOAD_RESULT_UNCHANGED
    assert await found(client, "hr") == 1


async def test_skip_changes_nothing_and_fail_fails(client: Client) -> None:
    first = (await client.upload(DRAFT)).document
    skipped = await client.begin(MOVED, if_exists=document_pb2.IF_EXISTS_POLICY_SKIP)
    assert skipped.nothing_to_do.result == document_pb2.UPLOAD_RESULT_SKIPPED
    assert skipped.nothing_to_do.document == first
    with pytest.raises(DocuQueryError) as caught:
        await client.begin(MOVED, if_exists=document_pb2.IF_EXISTS_POLICY_FAIL)
    assert caught.value.reason_name == "DOCUMENT_ALREADY_EXISTS"
    assert await client.get(first.document_id) == first


async def test_new_metadata_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        await client.upload(DRAFT)
        await client.begin(MOVED)
    async with running(tmp_path) as client:
        assert (await found(client, "it"), await found(client, "hr")) == (0, 1)
