"""Kept answers of the retrieval service, on every store: never across tenants, never past a change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from docuquery.common.v1.document_pb2 import IF_EXISTS_POLICY_FAIL, UPLOAD_RESULT_METADATA_UPDATED
from docuquery.common.v1.passage_pb2 import Passage
from docuquery.retrieval.v1 import retrieval_service_pb2 as pb
from libs.errors import DocuQueryError
from tests.rpc.retrieval_support import Client, Draft, running

QUESTION = "What do the lighthouses say?"
KEY = b"key"


def draft(name: str, generation: int = 0) -> Draft:
    paragraphs = [f"The lighthouse {name} says {generation}.", f"The lighthouse {name} stood."]
    return Draft(f"{name}.txt", paragraphs)


async def look_up(client: Client, question: str = QUESTION, key: bytes = KEY) -> pb.LookupAnswerResponse:
    found: pb.LookupAnswerResponse = await client.call(pb.LookupAnswerRequest(question=question, key=key))
    return found


async def store(
    client: Client, revision: str, sources: Sequence[Passage], question: str = QUESTION, key: bytes = KEY
) -> bool:
    request = pb.StoreAnswerRequest(
        question=question, key=key, corpus_revision=revision, sources=sources, generation=b"an answer"
    )
    return bool((await client.call(request)).stored)


async def ask(client: Client) -> list[Passage]:
    """What a query is answered from: a kept answer's sources, or those of a search, offered afterwards."""
    looked_up = await look_up(client)
    if looked_up.HasField("answer"):
        return list(looked_up.answer.sources)
    sources = await client.search(QUESTION, limit=200)
    if sources:
        await store(client, looked_up.corpus_revision, sources)
    return sources


async def is_kept(client: Client) -> bool:
    return (await look_up(client)).HasField("answer")


@asynccontextmanager
async def replicas(tmp_path: Path, settings: dict[str, Any]) -> AsyncIterator[tuple[Client, Client]]:
    """Two processes on one store; with the embedded store, which serves one, twice the same."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                running(
                    tmp_path / name, **settings, enable_semantic_cache=True, old_version_grace_seconds=0.0
                )
            )
            for name in ("a", "b")[: 2 if settings else 1]
        ]
        yield clients[0], clients[-1]


@pytest.fixture
async def pair(tmp_path: Path, store: dict[str, Any]) -> AsyncIterator[tuple[Client, Client]]:
    async with replicas(tmp_path, store) as clients:
        yield clients


async def test_an_answer_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    async with running(tmp_path, enable_semantic_cache=True) as client:
        await client.upload(draft("Skarholm"))
        sources = await client.search(QUESTION)
        revision = (await look_up(client)).corpus_revision
        assert await store(client, revision, sources)
        found = await look_up(client, "what do  the lighthouses say")
        assert found.corpus_revision == revision
        assert list(found.answer.sources) == sources
        assert (found.answer.generation, found.answer.question) == (b"an answer", QUESTION)
        assert found.answer.similarity == 1
        assert 0 <= found.answer.age_seconds < 60
        near = await look_up(client, "Please tell me what the lighthouses say")
        assert not near.HasField("answer")
        near = await look_up(client, "Hello, what do the lighthouses say? Thanks!")
        assert 0.7 < near.answer.similarity < 1


async def test_nobody_finds_what_another_tenant_or_another_kind_of_query_was_answered(tmp_path: Path) -> None:
    async with running(tmp_path, enable_semantic_cache=True) as client:
        other = client.of("other")
        for each in (client, other):
            await each.upload(draft("Skarholm"))
        sources = await ask(client)
        assert sources
        assert await is_kept(client)
        assert not await is_kept(other)
        assert not (await look_up(client, key=b"another key")).HasField("answer")
        # Nor with the other's revision and passages in hand.
        mine, theirs = await look_up(client), await look_up(other)
        assert mine.corpus_revision != ""
        assert await store(other, theirs.corpus_revision, sources)
        assert list((await look_up(client)).answer.sources) == sources


async def test_without_the_setting_nothing_is_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as client:
        await client.upload(draft("Skarholm"))
        looked_up = await look_up(client)
        assert looked_up == pb.LookupAnswerResponse()
        assert not await store(client, "anything", await client.search(QUESTION))
        assert not await is_kept(client)


@pytest.mark.parametrize(
    "request_",
    [
        pb.LookupAnswerRequest(question=" ", key=b"k"),
        pb.LookupAnswerRequest(question="x" * 4001, key=b"k"),
        pb.LookupAnswerRequest(question="x"),
        pb.LookupAnswerRequest(question="x", key=b"k" * 65),
        pb.StoreAnswerRequest(question="x", key=b"k", corpus_revision="r"),
        pb.StoreAnswerRequest(question="x", key=b"k", sources=[Passage()]),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_what_cannot_be_right_is_refused(tmp_path: Path, request_: Any) -> None:
    async with running(tmp_path, enable_semantic_cache=True) as client:
        with pytest.raises(DocuQueryError) as caught:
            await client.call(request_)
        assert caught.value.reason_name == "INVALID_REQUEST"


async def test_each_change_of_the_documents_ends_all_answers_of_the_tenant(
    pair: tuple[Client, Client],
) -> None:
    """Whichever process made the change and whichever one keeps the answer."""
    writer, reader = pair
    kept = (await writer.upload(draft("Skarholm"))).document

    async def require_made_anew() -> None:
        assert not await is_kept(reader)
        await ask(reader)
        assert await is_kept(reader)

    await require_made_anew()
    created = (await writer.upload(draft("Porto"))).document
    await require_made_anew()
    await writer.upload(draft("Porto", 1))
    await require_made_anew()
    await writer.delete(created.document_id)
    await require_made_anew()
    with pytest.raises(DocuQueryError):
        await writer.delete(created.document_id)  # repeated, as after a lost reply
    await require_made_anew()
    same = await writer.begin(draft("Skarholm"))
    assert same.WhichOneof("decision") == "nothing_to_do"
    assert await is_kept(reader), "the same bytes again are no change"
    assert {source.document_id for source in await ask(reader)} == {kept.document_id}


async def test_new_metadata_ends_answers_and_an_upload_that_changes_nothing_does_not(
    pair: tuple[Client, Client],
) -> None:
    """A filter may make another answer of it."""
    one, other = pair
    document = draft("Skarholm")
    await one.upload(document)
    await ask(other)
    await one.begin(document)
    with pytest.raises(DocuQueryError):
        await one.begin(document, if_exists=IF_EXISTS_POLICY_FAIL)
    assert await is_kept(other)
    told = await one.begin(replace(document, metadata={"team": "lights"}))
    assert told.nothing_to_do.result == UPLOAD_RESULT_METADATA_UPDATED
    assert not await is_kept(other)

    await ask(other)
    later = await one.begin(replace(document, metadata={"team": "sea"}), version="")
    assert await is_kept(other)
    update = pb.UpdateAttemptRequest(
        document_id=later.document_id, attempt_token=later.attempt_token, version=document.version
    )
    assert (await one.call(update)).nothing_to_do.result == UPLOAD_RESULT_METADATA_UPDATED
    assert not await is_kept(other)


async def test_a_repeated_commit_ends_answers_too(pair: tuple[Client, Client]) -> None:
    """Its first try may have made the version live and died before anything else."""
    writer, reader = pair
    begun = await writer.begin(draft("Skarholm"))
    await writer.write(draft("Skarholm"), begun)
    await writer.call(draft("Skarholm").commit(begun))
    await ask(reader)
    assert await is_kept(reader)
    await writer.call(draft("Skarholm").commit(begun))
    assert not await is_kept(reader)


@dataclass(slots=True)
class Acknowledged:
    """What callers have been told about the documents."""

    dead: set[tuple[str, str]] = field(default_factory=set)
    """(document id, version) of what was replaced or deleted."""
    live: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By source."""


async def test_no_answer_is_given_from_documents_of_before_an_acknowledged_change(
    pair: tuple[Client, Client],
) -> None:
    """Readers ask all the time while documents are made, replaced and deleted.

    What a reader gets, kept or made anew, cites nothing whose end was acknowledged before it asked, and
    leaves out nothing whose commit was.
    """
    writer, reader = pair
    told = Acknowledged()
    done = asyncio.Event()
    from_memory = 0

    async def read(client: Client) -> int:
        nonlocal from_memory
        readings = 0
        while not done.is_set():
            dead, live = set(told.dead), dict(told.live)
            revision_asked = await look_up(client)
            from_memory += revision_asked.HasField("answer")
            cited = {(source.document_id, source.version) for source in await ask(client)}
            assert cited.isdisjoint(dead), "a dead version was cited after its end was acknowledged"
            still_live = {version for source, version in live.items() if told.live.get(source) == version}
            assert still_live <= cited, "a live version was left out after its commit was acknowledged"
            readings += 1
            await asyncio.sleep(0)
        return readings

    async def upload(name: str, generation: int) -> None:
        # From here on the old version may be gone, from the acknowledgement on it must be.
        before = told.live.pop(f"{name}.txt", None)
        document = (await writer.upload(draft(name, generation))).document
        if before is not None:
            told.dead.add(before)
        told.live[document.source] = (document.document_id, document.live_version)

    async def delete(name: str) -> None:
        document_id, version = told.live.pop(f"{name}.txt")
        await writer.delete(document_id)
        told.dead.add((document_id, version))

    await upload("Skarholm", 0)
    readers = [asyncio.create_task(read(client)) for client in (reader, reader, writer)]
    for generation in range(1, 8):
        await upload("Skarholm", generation)
        await upload(f"new-{generation}", 0)
        await asyncio.sleep(0.02)  # lets answers be kept and found between the changes
        if generation % 2:
            await delete(f"new-{generation}")
    done.set()
    assert min(await asyncio.gather(*readers)) > 3
    assert from_memory > 3
