"""Stores with more than one vector space: what lacks a vector, who writes what, and the switch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from libs.clock import SystemClock
from libs.errors import DocuQueryError
from services.retrieval.admin.console import note
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import ChunkKey, Stage, Status
from services.retrieval.reindexing.filler import SpaceFiller
from services.retrieval.reindexing.mirror import Mirror
from services.retrieval.reindexing.pace import Pace
from services.retrieval.reindexing.patience import Patience
from services.retrieval.reindexing.sources import VectorSources
from services.retrieval.reindexing.vectors import SpaceVectors
from services.retrieval.store.progress import FillProgress, ReindexState
from services.retrieval.store.questions import ChunkQuery, EmbeddedChunk, SparseVector
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import chunk, direction, embedded, record
from tests.contract.store_targets import ENGINES, Targets
from tests.unit.services.retrieval.admin.support import (
    ENCODER,
    FIRST,
    SPACE,
    TENANT,
    HashEmbedder,
    document,
    paragraphs_of,
    put,
)

SHARED = ("server", "cluster")
SECOND = VectorSpace("test/second", 16, ENCODER.name)


# One server shows what many processes do to a store; a cluster repeats it in minutes.
_MARKS = {"cluster": pytest.mark.slow}


@pytest.fixture(params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in ENGINES])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(targets: Targets, engine: str, tmp_path: Path) -> AsyncIterator[Path]:
    async with targets.fresh(engine, tmp_path, "spaces") as place:
        yield place


@pytest.fixture
async def stores(targets: Targets, engine: str, place: Path) -> AsyncIterator[Stores]:
    async with targets.opened(engine, place, SPACE) as stores:
        yield stores


def second() -> HashEmbedder:
    return HashEmbedder(SECOND.embedder, SECOND.dimensions)


def filler_of(stores: Stores, embedder: HashEmbedder) -> SpaceFiller:
    clock = SystemClock()
    return SpaceFiller(
        stores,
        SpaceVectors(embedder, ENCODER),
        clock,
        patience=Patience(clock, note, 1),
        pace=Pace(clock),
        batches_at_once=2,
        grace_seconds=0.0,
    )


def mirror_of(stores: Stores, embedder: HashEmbedder) -> Mirror:
    """That of a process with no other embedder than its own."""

    def no_local() -> HashEmbedder:
        raise AssertionError("no space is the local model's")

    return Mirror(stores, VectorSources(embedder, ENCODER, {}, no_local))


# --- chunks that lack a vector ---


async def test_a_chunk_without_a_vector_is_found_by_the_other_index_and_named(stores: Stores) -> None:
    """Until it is written whole; it is counted all the while, and does not count as existing."""
    lacking = stores.spaces.own_lacking
    attempt = new_attempt_id()
    whole = embedded(attempt, 0, direction(1, 0), {5: 1.0})
    wordless = replace(embedded(attempt, 1, direction(1, 1)), sparse=None)
    wordy = replace(embedded(attempt, 2, terms={5: 2.0}), dense=None)
    bare = EmbeddedChunk(chunk(attempt, 3), None, None)
    await stores.chunks.write(TENANT, [whole])
    assert list(await lacking.lacking(TENANT)) == []
    assert list(await lacking.tenants_lacking()) == []
    await stores.chunks.write(TENANT, [wordless, wordy, bare])
    keys = [ChunkKey(attempt, i) for i in range(4)]

    legs = await stores.chunks.search(TENANT, ChunkQuery(direction(1, 0), SparseVector((5,), (1.0,)), 10))
    assert legs.dense is not None
    assert legs.sparse is not None
    assert {key.ordinal for key in legs.dense.hits} == {0, 1}
    assert {key.ordinal for key in legs.sparse.hits} == {0, 2}
    assert await stores.chunks.existing(TENANT, keys) == {keys[0]}
    assert await stores.chunks.count(TENANT, attempt) == 4
    assert await stores.chunks.extent(TENANT, attempt) == (4, 3)
    assert set(await stores.chunks.fetch(TENANT, keys)) == set(keys)
    found = await stores.chunks.embedded(TENANT, keys)
    assert [found[key].dense is None for key in keys] == [False, False, True, True]
    assert [found[key].sparse is None for key in keys] == [False, True, False, True]
    assert list(await lacking.lacking(TENANT)) == [attempt]
    assert list(await lacking.tenants_lacking()) == [TENANT]
    assert (await lacking.known_complete(TENANT)).get(attempt, 1) == 1
    assert list(await lacking.lacking("stranger")) == []

    await stores.chunks.write(TENANT, [embedded(attempt, i, direction(1, i), {5: 1.0}) for i in range(1, 4)])
    assert await stores.chunks.existing(TENANT, keys) == set(keys)
    assert list(await lacking.lacking(TENANT)) == []
    assert (await lacking.known_complete(TENANT)).get(attempt, 4) == 4


async def test_a_chunk_of_stop_words_lacks_nothing(stores: Stores) -> None:
    """It has no terms, and that is all there is to have."""
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [EmbeddedChunk(chunk(attempt, 0), direction(1), SparseVector((), ()))])
    key = ChunkKey(attempt, 0)
    assert await stores.chunks.existing(TENANT, [key]) == {key}
    assert list(await stores.spaces.own_lacking.lacking(TENANT)) == []
    assert (await stores.chunks.embedded(TENANT, [key]))[key].sparse == SparseVector((), ())


async def test_a_vector_that_is_not_finite_is_refused_also_among_chunks_without(stores: Stores) -> None:
    attempt = new_attempt_id()
    bad = embedded(attempt, 1, np.full(8, np.nan, dtype=np.float32))
    with pytest.raises(ValueError, match="finite"):
        await stores.chunks.write(TENANT, [EmbeddedChunk(chunk(attempt, 0), None, None), bad])


# --- one space ---


async def test_a_store_of_one_space_says_that_nothing_changes(stores: Stores) -> None:
    spaces = stores.spaces
    await spaces.refresh()
    assert (spaces.own, spaces.kept.current.space, spaces.kept.others) == (SPACE, SPACE, ())
    assert not spaces.is_changing
    assert await spaces.status() is None
    await spaces.drop_others()  # there are none
    await put(stores, 1)
    mirror = mirror_of(stores, FIRST)
    await mirror.settle(TENANT, record(1).attempt.attempt_id)
    assert (await filler_of(stores, FIRST).fill()).made == 0


# --- changing over ---


async def fill_and_switch(stores: Stores, embedder: HashEmbedder) -> None:
    filler = filler_of(stores, embedder)
    await filler.fill()
    while not await stores.spaces.switch(filler.filled):
        await filler.fill()


async def found_by(stores: Stores, embedder: HashEmbedder, number: int) -> set[str]:
    """The texts that answer for document `number`, by meaning and by words, in the own space."""
    text = paragraphs_of(number)[0]
    query = ChunkQuery(await embedder.embed_query(f"Title › Part\n{text}"), ENCODER.query(text), 1)
    legs = await stores.chunks.search(TENANT, query)
    keys = {key for leg in (legs.dense, legs.sparse) if leg for key in leg.hits}
    return {found.text for found in (await stores.chunks.fetch(TENANT, list(keys))).values()}


async def test_a_filled_space_takes_the_place_of_the_former(
    targets: Targets, engine: str, place: Path
) -> None:
    """Settings of the new space are refused until then, those of the former one afterwards."""
    async with targets.opened(engine, place, SPACE) as stores:
        for number in (1, 2, 3):
            await put(stores, number)
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH"):
        async with targets.opened(engine, place, SECOND):
            pytest.fail("opened by an embedder it was not filled by")
    embedder = second()
    async with targets.opened(engine, place, SECOND, may_begin=True) as stores:
        assert stores.spaces.is_changing
        assert not stores.spaces.kept.is_whole(SECOND)
        await fill_and_switch(stores, embedder)
        assert stores.spaces.kept.is_whole(SECOND)
        await stores.spaces.drop_others()
        assert not stores.spaces.is_changing
    assert embedder.embedded == 12
    async with targets.opened(engine, place, SECOND) as stores:
        assert await found_by(stores, embedder, 2) == {paragraphs_of(2)[0]}
        assert (await filler_of(stores, embedder).fill()).made == 0
        await upload(stores, 4, embedder)
        assert await found_by(stores, embedder, 4) == {paragraphs_of(4)[0]}
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH"):
        async with targets.opened(engine, place, SPACE):
            pytest.fail("opened by the former embedder")


async def test_a_filling_that_was_interrupted_goes_on(targets: Targets, engine: str, place: Path) -> None:
    class Failing(HashEmbedder):
        """Gives up after the first document."""

        async def embed_passages(self, texts):  # type: ignore[no-untyped-def]  # as in the base class
            if self.embedded >= 1100:
                raise RuntimeError("killed")
            return await super().embed_passages(texts)

    async with targets.opened(engine, place, SPACE) as stores:
        for number in (1, 2):
            await put(stores, number, [f"Paragraph {i} of {number}." for i in range(1100)])
    failing = Failing(SECOND.embedder, SECOND.dimensions)
    with pytest.raises(RuntimeError, match="killed"):
        async with targets.opened(engine, place, SECOND, may_begin=True) as stores:
            await filler_of(stores, failing).fill()
    async with targets.opened(engine, place, SPACE) as stores:
        status = await stores.spaces.status()
        assert status is not None
        assert (status.source, status.target) == (SPACE, SECOND)
    embedder = second()
    async with targets.opened(engine, place, SECOND, may_begin=True) as stores:
        filler = filler_of(stores, embedder)
        await filler.fill()
        assert filler.progress.chunks == filler.progress.chunk_count == 2200
        assert filler.progress.documents == filler.progress.document_count == 2
    assert embedder.embedded <= 2200 - 1100 + 2 * 32


async def test_what_was_begun_for_other_settings_gives_way(
    targets: Targets, engine: str, place: Path
) -> None:
    third = VectorSpace("test/third", 4, ENCODER.name)
    async with targets.opened(engine, place, SPACE) as stores:
        await put(stores, 1)
    for wanted in (SECOND, third):
        async with targets.opened(engine, place, wanted, may_begin=True) as stores:
            await filler_of(stores, HashEmbedder(wanted.embedder, wanted.dimensions)).fill()
            assert stores.spaces.kept.find(SECOND) is (
                None if wanted == third else stores.spaces.kept.others[0]
            )
            assert [kept.space for kept in stores.spaces.kept.all] == [SPACE, wanted]
    async with targets.opened(engine, place, SPACE) as stores:
        await stores.spaces.drop_others()
        assert not stores.spaces.is_changing
        assert await found_by(stores, FIRST, 1)


async def test_the_switch_waits_for_what_is_missing_where_nobody_else_writes(tmp_path: Path) -> None:
    """A document committed, or an attempt begun, after the filling looked is not left behind."""
    targets = Targets(tmp_path)
    async with targets.opened("edge", tmp_path / "store", SPACE) as stores:
        await put(stores, 1)
    embedder = second()
    async with targets.opened("edge", tmp_path / "store", SECOND, may_begin=True) as stores:
        filler = filler_of(stores, embedder)
        await filler.fill()
        late = await put(replace(stores, chunks=stores.spaces.chunks(SPACE)), 2)
        assert not await stores.spaces.switch(filler.filled)
        await filler.fill()
        unfinished = replace(
            record(3, live=False),
            attempt=replace(record(3).attempt, status=Status.PROCESSING, stage=Stage.INDEXING),
        )
        token = unfinished.attempt.attempt_id
        assert await stores.records.put(TENANT, unfinished, expected_revision=None)
        await stores.spaces.chunks(SPACE).write(TENANT, [embedded(token, 0)])
        assert not await stores.spaces.switch(filler.filled)
        await filler.fill()
        assert await stores.spaces.switch(filler.filled)
        assert stores.spaces.kept.others == ()
        await stores.spaces.drop_others()
        assert await stores.chunks.count(TENANT, token) == 1
        assert await stores.chunks.count(TENANT, late.attempt.attempt_id) == 4


# --- writing to every space ---


async def upload(stores: Stores, number: int, embedder: HashEmbedder, count: int = 4) -> None:
    """Stores and commits document `number`, or replaces it, as a process with `embedder` does."""
    made, chunks, blocks = document(number, paragraphs_of(number, count))
    present = await stores.records.get(TENANT, made.document_id)
    if present is not None:
        made = replace(made, revision=present.revision + 1)
    token = made.attempt.attempt_id
    rows = await embedder.embed_passages([f"Title › Part\n{chunk.text}" for chunk in chunks])
    mirror = mirror_of(stores, embedder)
    await stores.texts.write(TENANT, token, blocks)
    await mirror.write(
        TENANT,
        [
            EmbeddedChunk(chunk, row, ENCODER.document(chunk.text, chunk.language))
            for chunk, row in zip(chunks, rows, strict=True)
        ],
    )
    await mirror.settle(TENANT, token)
    assert await stores.records.put(
        TENANT, made, expected_revision=None if present is None else present.revision
    )


@pytest.fixture(params=[pytest.param(name, marks=_MARKS.get(name, ())) for name in SHARED])
async def rolling(
    request: pytest.FixtureRequest, targets: Targets, tmp_path: Path
) -> AsyncIterator[tuple[Stores, Stores]]:
    """A store that has switched from SPACE to SECOND, opened by a process of each, as while all restart."""
    engine = str(request.param)
    async with targets.fresh(engine, tmp_path, "spaces") as place, AsyncExitStack() as stack:
        old = await stack.enter_async_context(targets.opened(engine, place, SPACE))
        await put(old, 1)
        async with targets.opened(engine, place, SECOND, may_begin=True, first_node=1) as stores:
            await fill_and_switch(stores, second())
        new = await stack.enter_async_context(targets.opened(engine, place, SECOND, first_node=1))
        await old.spaces.refresh()
        yield old, new


async def test_what_each_process_stores_the_other_finds_by_words_at_once_and_by_meaning_soon(
    rolling: tuple[Stores, Stores],
) -> None:
    embedders = (FIRST, second())
    for writer, number in ((0, 2), (1, 3)):
        reader = 1 - writer
        await upload(rolling[writer], number, embedders[writer])
        assert await found_by(rolling[writer], embedders[writer], number) == {paragraphs_of(number)[0]}
        text = paragraphs_of(number)[0]
        words = ChunkQuery(None, ENCODER.query(text), 1)
        legs = await rolling[reader].chunks.search(TENANT, words)
        assert legs.sparse is not None
        (found,) = (await rolling[reader].chunks.fetch(TENANT, [next(iter(legs.sparse.hits))])).values()
        assert found.text == text
        assert (await filler_of(rolling[reader], embedders[reader]).fill_lacking()).made == 4
        assert await found_by(rolling[reader], embedders[reader], number) == {text}
        assert (await filler_of(rolling[reader], embedders[reader]).fill_lacking()).made == 0


async def test_an_attempt_of_both_processes_is_whole_in_both_spaces_when_it_is_committed(
    rolling: tuple[Stores, Stores],
) -> None:
    """Pieces go to whichever replica is called; also to one that does not know of the other space yet."""
    old, new = rolling
    attempt = new_attempt_id()
    by_old = [embedded(attempt, i) for i in range(3)]
    by_new = [replace(embedded(attempt, i), dense=await second().embed_query("x")) for i in range(3, 5)]
    await mirror_of(old, FIRST).write(TENANT, by_old)
    await new.chunks.write(TENANT, by_new)  # as one that knew of no other
    assert await old.chunks.count(TENANT, attempt) == 3
    await mirror_of(old, FIRST).settle(TENANT, attempt)
    for stores in rolling:
        assert await stores.chunks.count(TENANT, attempt) == 5
        assert await stores.chunks.extent(TENANT, attempt) == (5, 4)
    existing = await new.chunks.existing(TENANT, [ChunkKey(attempt, i) for i in range(5)])
    assert {key.ordinal for key in existing} == {3, 4}, "the rest lacks what the other cannot make"


async def test_what_is_whole_is_not_written_over_by_less(rolling: tuple[Stores, Stores]) -> None:
    """An ingest repeats a piece at another replica."""
    old, new = rolling
    embedder = second()
    attempt = new_attempt_id()
    row = await embedder.embed_query("x")
    await mirror_of(new, embedder).write(TENANT, [replace(embedded(attempt, 0), dense=row)])
    assert await old.chunks.existing(TENANT, [ChunkKey(attempt, 0)]) == frozenset()
    await mirror_of(old, FIRST).write(TENANT, [embedded(attempt, 0)])
    for stores in rolling:
        assert await stores.chunks.existing(TENANT, [ChunkKey(attempt, 0)]) == {ChunkKey(attempt, 0)}


async def test_what_one_process_replaces_or_deletes_is_gone_from_every_space(
    rolling: tuple[Stores, Stores],
) -> None:
    old, new = rolling
    embedder = second()
    before = await old.records.get(TENANT, record(1).document_id)
    assert before is not None
    await upload(new, 1, embedder, count=2)
    token = before.attempt.attempt_id
    assert list(await new.upkeep.unreferenced(TENANT)) == [token]
    while await new.upkeep.erase(TENANT, token, 10):
        pass
    for stores in rolling:
        assert await stores.chunks.count(TENANT, token) == 0
        assert list(await stores.upkeep.unreferenced(TENANT)) == []


async def test_a_process_that_did_not_know_is_caught_up_with(rolling: tuple[Stores, Stores]) -> None:
    """What it stored in its own space alone is found in the other one after a look at everything."""
    old, new = rolling
    embedder = second()
    filler = filler_of(new, embedder)
    assert (await filler.fill()).absent == 0
    await put(old, 2)  # writes to no other space
    await put(old, 1, paragraphs_of(1, 3))
    found = await filler.fill()
    assert (found.absent, found.made) == (7, 7)
    assert await found_by(new, embedder, 2) == {paragraphs_of(2)[0]}
    assert (await filler.fill()).made == 0
    assert filler.filled[TENANT] == {
        stored.live.attempt_id
        for number in (1, 2)
        if (stored := await new.records.get(TENANT, record(number).document_id)) and stored.live
    }


async def test_what_goes_while_it_is_being_embedded_leaves_nothing(
    rolling: tuple[Stores, Stores],
) -> None:
    old, new = rolling
    stored = await put(old, 2)
    token = stored.attempt.attempt_id

    class Slow(HashEmbedder):
        """Meanwhile the document is deleted, and what it had stored."""

        async def embed_passages(self, texts):  # type: ignore[no-untyped-def]  # as in the base class
            if await old.records.remove(TENANT, stored.document_id, expected_revision=stored.revision):
                while await old.upkeep.erase(TENANT, token, 10):
                    pass
            return await super().embed_passages(texts)

    filler = filler_of(new, Slow(SECOND.embedder, SECOND.dimensions))
    await filler.fill()
    assert await new.chunks.count(TENANT, token) == 0
    assert token not in filler.filled[TENANT]


# --- several processes ---


class Hasty(SystemClock):
    """Does not wait for signs of life, so that nobody is alive."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.01))


async def test_the_former_space_stays_while_a_process_searches_it(rolling: tuple[Stores, Stores]) -> None:
    old, new = rolling
    status = await new.spaces.status()
    assert status is not None
    assert (status.state, status.source, status.target) == (ReindexState.SWITCHED, SPACE, SECOND)
    with pytest.raises(DocuQueryError, match="1 retrieval processes still search"):
        await new.spaces.drop_others()
    assert await found_by(old, FIRST, 1)


class Late(SystemClock):
    """Has not looked at the store again yet."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds if seconds < 1.0 else 3600.0)


@pytest.mark.parametrize("engine", [pytest.param(name, marks=_MARKS.get(name, ())) for name in SHARED])
async def test_the_former_space_goes_when_nobody_searches_it_and_fails_no_upload(
    targets: Targets, engine: str, place: Path
) -> None:
    """A process that has not heard of it yet goes on, in its own space."""
    embedder = second()
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(targets.opened(engine, place, SPACE))
        await put(old, 1)
        async with targets.opened(engine, place, SECOND, may_begin=True) as stores:
            await fill_and_switch(stores, embedder)
        unaware = await stack.enter_async_context(targets.opened(engine, place, SECOND, clock=Late()))
        finishing = targets.opened(engine, place, SECOND, clock=Hasty())
        async with finishing as stores:
            await stores.spaces.drop_others()
            assert not stores.spaces.is_changing
        assert unaware.spaces.is_changing
        attempt = new_attempt_id()
        row = await embedder.embed_query("x")
        await mirror_of(unaware, embedder).write(TENANT, [replace(embedded(attempt, 0), dense=row)])
        assert await unaware.chunks.count(TENANT, attempt) == 1
        assert not unaware.spaces.is_changing
        assert await found_by(unaware, embedder, 1)
        with pytest.raises(DocuQueryError, match="STORE_UNAVAILABLE"):
            await mirror_of(old, FIRST).write(TENANT, [embedded(attempt, 0)])


@pytest.mark.parametrize("engine", [pytest.param(name, marks=_MARKS.get(name, ())) for name in SHARED])
async def test_one_process_fills_at_a_time_and_others_see_how_far_it_is(
    targets: Targets, engine: str, place: Path
) -> None:
    async with targets.opened(engine, place, SPACE) as serving:
        await put(serving, 1)
        async with targets.opened(engine, place, SECOND, may_begin=True) as filling:
            await filling.spaces.tell(FillProgress(1, 2, 30, 40, 5.0))
            await serving.spaces.refresh()
            status = await serving.spaces.status()
            assert status is not None
            assert (status.state, status.target) == (ReindexState.RUNNING, SECOND)
            with pytest.raises(DocuQueryError, match="Another `docuquery admin reindex` is at work"):
                async with targets.opened(engine, place, SECOND, may_begin=True):
                    pytest.fail("two at once")
            status = await serving.spaces.status()
            assert status is not None
            assert status.progress == FillProgress(1, 2, 30, 40, 5.0)
        status = await serving.spaces.status()
        assert status is not None
        assert status.state is ReindexState.STOPPED
        async with targets.opened(engine, place, SECOND, may_begin=True) as filling:
            await fill_and_switch(filling, second())


@pytest.mark.parametrize("engine", [pytest.param(name, marks=_MARKS.get(name, ())) for name in SHARED])
async def test_the_way_back_needs_no_filling_until_it_is_finished(
    targets: Targets, engine: str, place: Path
) -> None:
    async with targets.opened(engine, place, SPACE) as stores:
        await put(stores, 1)
    async with targets.opened(engine, place, SECOND, may_begin=True) as stores:
        await fill_and_switch(stores, second())
    async with targets.opened(engine, place, SPACE, may_begin=True, clock=Hasty()) as stores:
        assert stores.spaces.kept.is_whole(SPACE)
        await stores.spaces.switch({})
        await stores.spaces.drop_others()
    async with targets.opened(engine, place, SPACE) as stores:
        assert await found_by(stores, FIRST, 1)
