"""What every store must do. Each engine behind the seam runs this whole suite."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import SystemClock
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.filtering.conditions import (
    AnyOf,
    Condition,
    Equals,
    Exists,
    Filter,
    NumberRange,
    TimeRange,
)
from services.retrieval.model import ChunkKey, DocumentError, DocumentRecord, DocumentType, Status
from services.retrieval.store.payloads import to_microseconds
from services.retrieval.store.protocol import Cursor, DocumentQuery
from services.retrieval.store.questions import ChunkQuery, Completion, Leg, Missing, SparseVector
from services.retrieval.store.server.opening import open_server
from services.retrieval.store.spaces import VectorSpace
from services.retrieval.store.stores import Stores
from tests.contract.retrieval_samples import (
    DIMENSIONS,
    NOW,
    block,
    chunk,
    direction,
    embedded,
    next_revision,
    record,
)
from tests.contract.store_targets import ENGINES, Targets

TENANT = "acme"
SPACE = VectorSpace("test/unit", DIMENSIONS, "test/terms")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def place(targets: Targets, engine: str, tmp_path: Path) -> AsyncIterator[Path]:
    """Where an empty store can be opened."""
    async with targets.fresh(engine, tmp_path) as place:
        yield place


@pytest.fixture
async def stores(targets: Targets, engine: str, place: Path) -> AsyncIterator[Stores]:
    async with targets.opened(engine, place, SPACE) as stores:
        yield stores


def keys(leg: Leg | None) -> list[ChunkKey]:
    assert leg is not None
    return list(leg.hits)


# --- chunks ---


async def test_chunks_come_back_as_they_went_in(stores: Stores) -> None:
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, 0), embedded(attempt, 999_999)])
    wanted = [ChunkKey(attempt, 999_999), ChunkKey(attempt, 1), ChunkKey(attempt, 0)]
    found = await stores.chunks.fetch(TENANT, wanted)
    assert found == {key: chunk(attempt, key.ordinal) for key in (wanted[0], wanted[2])}
    assert await stores.chunks.existing(TENANT, wanted) == {wanted[0], wanted[2]}


async def test_chunks_are_counted_per_attempt_and_rewriting_adds_none(stores: Stores) -> None:
    first, second = new_attempt_id(), new_attempt_id()
    for _ in range(2):
        await stores.chunks.write(TENANT, [embedded(first, i) for i in range(5)])
    await stores.chunks.write(TENANT, [embedded(second, 0)])
    assert await stores.chunks.count(TENANT, first) == 5
    assert await stores.chunks.count(TENANT, second) == 1
    assert await stores.chunks.count(TENANT, new_attempt_id()) == 0


async def test_each_index_ranks_by_its_own_score(stores: Stores) -> None:
    """Cosine for the dense one; idf times weight, summed over common terms, for the sparse one."""
    attempt = new_attempt_id()
    await stores.chunks.write(
        TENANT,
        [
            embedded(attempt, 0, direction(1, 0), {5: 1.0}),
            embedded(attempt, 1, direction(1, 1), {5: 2.0, 9: 1.5}),
            embedded(attempt, 2, direction(-1, 0), {7: 1.0}),
        ],
    )
    query = ChunkQuery(direction(1, 0), SparseVector((5, 9), (1.0, 1.0)), depth=10)
    legs = await stores.chunks.search(TENANT, query)
    assert [key.ordinal for key in keys(legs.dense)] == [0, 1, 2]
    assert [key.ordinal for key in keys(legs.sparse)] == [1, 0]
    assert legs.dense is not None
    assert legs.sparse is not None
    assert list(legs.dense.hits.values()) == pytest.approx([1.0, math.sqrt(0.5), -1.0], abs=1e-3)
    idf = await stores.chunks.idf(TENANT, (5, 9))
    assert list(legs.sparse.hits.values()) == pytest.approx([2 * idf[5] + 1.5 * idf[9], idf[5]], rel=1e-4)
    assert not legs.dense.is_cut
    assert not legs.sparse.is_cut


async def test_a_leg_that_is_not_asked_is_none_and_a_cut_one_says_so(stores: Stores) -> None:
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, i, terms={3: 1.0}) for i in range(5)])
    dense = await stores.chunks.search(TENANT, ChunkQuery(direction(1), None, depth=4))
    assert dense.sparse is None
    assert dense.dense is not None
    assert len(dense.dense.hits) == 4
    assert dense.dense.is_cut
    sparse = await stores.chunks.search(TENANT, ChunkQuery(None, SparseVector((3,), (1.0,)), depth=6))
    assert sparse.dense is None
    assert sparse.sparse is not None
    assert len(sparse.sparse.hits) == 5
    assert not sparse.sparse.is_cut


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 130])
async def test_an_attempt_reaches_as_far_as_its_last_chunk(stores: Stores, number: int) -> None:
    attempt = new_attempt_id()
    ordinals = [*range(number - 1), number + 4][:number]  # with a gap before the last
    await stores.chunks.write(TENANT, [embedded(attempt, ordinal) for ordinal in ordinals])
    assert await stores.chunks.count(TENANT, attempt) == number
    assert await stores.chunks.extent(TENANT, attempt) == (number, max(ordinals, default=-1))


async def test_a_question_without_terms_finds_nothing_by_words(stores: Stores) -> None:
    await stores.chunks.write(TENANT, [embedded(new_attempt_id(), 0, terms={3: 1.0})])
    legs = await stores.chunks.search(TENANT, ChunkQuery(None, SparseVector((), ()), depth=5))
    assert legs.sparse == Leg()


async def test_nothing_is_given_by_words_to_chunks_that_are_named_by_a_question_without_terms(
    stores: Stores,
) -> None:
    stored = embedded(new_attempt_id(), 0, direction(1, 0), {3: 1.0})
    await stores.chunks.write(TENANT, [stored])
    named = frozenset({stored.chunk.key})
    query = ChunkQuery(direction(1, 0), SparseVector((), ()), depth=5)
    found = await stores.chunks.complete(TENANT, query, Missing(named, named, named))
    assert list(found.dense) == [stored.chunk.key]
    assert (found.sparse, found.chunks) == ({}, {stored.chunk.key: stored.chunk})


async def test_named_chunks_are_scored_whatever_their_rank(stores: Stores) -> None:
    attempt = new_attempt_id()
    await stores.chunks.write(
        TENANT, [embedded(attempt, i, direction(1, i), {3: 1.0} if i % 2 else {}) for i in range(20)]
    )
    query = ChunkQuery(direction(1, 0), SparseVector((3,), (1.0,)), depth=1)
    named = frozenset({ChunkKey(attempt, 18), ChunkKey(attempt, 19), ChunkKey(attempt, 99)})
    found = await stores.chunks.complete(TENANT, query, Missing(dense=named, sparse=named))
    assert [key.ordinal for key in found.dense] == [18, 19]
    assert [key.ordinal for key in found.sparse] == [19]
    assert next(iter(found.dense.values())) == pytest.approx(1 / math.hypot(1, 18), abs=1e-3)
    assert found.chunks == {}


async def test_texts_come_with_the_scores_that_are_missing(stores: Stores) -> None:
    attempt = new_attempt_id()
    written = [embedded(attempt, i, direction(1, i), {3: 1.0}) for i in range(4)]
    await stores.chunks.write(TENANT, written)
    query = ChunkQuery(direction(1, 0), SparseVector((3,), (1.0,)), depth=1)
    some = frozenset({ChunkKey(attempt, 2), ChunkKey(attempt, 3), ChunkKey(attempt, 99)})
    chunks = {item.chunk.key: item.chunk for item in written[2:]}
    found = await stores.chunks.complete(TENANT, query, Missing(dense=some, texts=some))
    assert ([key.ordinal for key in found.dense], found.sparse, found.chunks) == ([2, 3], {}, chunks)
    assert await stores.chunks.complete(TENANT, query, Missing(texts=some)) == Completion(chunks=chunks)
    assert await stores.chunks.complete(TENANT, query, Missing()) == Completion()


async def test_idf_follows_the_stored_chunks(targets: Targets, engine: str, tmp_path: Path) -> None:
    """ln(1 + (N - n + 0.5) / (n + 0.5)), now: after every write, for unseen terms too."""
    # In a store of its own: a server counts deleted chunks until it has tidied up.
    async with targets.unshared(engine, tmp_path) as place, targets.opened(engine, place, SPACE) as stores:
        await check_idf(stores)


async def check_idf(stores: Stores) -> None:

    def expected(points: int, holding: int) -> float:
        return math.log(1 + (points - holding + 0.5) / (holding + 0.5))

    assert await stores.chunks.idf(TENANT, (1,)) == {1: pytest.approx(expected(0, 0))}
    attempt, other = new_attempt_id(), new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, i, terms={1: 1.7}) for i in range(3)])
    await stores.chunks.write(TENANT, [embedded(other, 0, terms={2: 0.4})])
    found = await stores.chunks.idf(TENANT, (1, 2, 3))
    assert found == {
        1: pytest.approx(expected(4, 3), rel=1e-4),
        2: pytest.approx(expected(4, 1), rel=1e-4),
        3: pytest.approx(expected(4, 0), rel=1e-4),
    }


async def test_chunks_that_touch_a_span_come_in_order(stores: Stores) -> None:
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, i) for i in reversed(range(6))])
    await stores.chunks.write(TENANT, [embedded(new_attempt_id(), 2)])
    found = await stores.chunks.between(TENANT, attempt, 17, 31)  # chunks are [10, 18), [20, 28), [30, 38)
    assert [item.key for item in found] == [ChunkKey(attempt, i) for i in (1, 2, 3)]
    assert await stores.chunks.between(TENANT, attempt, 18, 20) == []


async def test_a_vector_that_is_not_finite_is_refused(stores: Stores) -> None:
    broken = np.full(DIMENSIONS, np.nan, dtype=np.float32)
    with pytest.raises(ValueError, match="finite"):
        await stores.chunks.write(TENANT, [embedded(new_attempt_id(), 0, broken)])


async def test_a_filter_keeps_chunks_of_passing_documents(stores: Stores) -> None:
    """For few passing documents and for many, and a document that stops passing is left out at once."""
    records = [
        record(
            i,
            metadata={"parity": i % 2, "number": i, "other": i, "day": f"2026-05-{1 + i % 20:02}"},
            chunks=1,
        )
        for i in range(1, 1301)
    ]
    for start in range(0, len(records), 32):
        some = records[start : start + 32]
        await asyncio.gather(*(stores.records.put(TENANT, r, expected_revision=None) for r in some))
    attempts = [item.attempt.attempt_id for item in records]
    for start in range(0, len(attempts), 128):
        batch = attempts[start : start + 128]
        await stores.chunks.write(TENANT, [embedded(a, 0, terms={3: 1.0}) for a in batch])

    async def passing(*conditions: Condition, depth: int = 2000) -> set[str]:
        query = ChunkQuery(direction(1), SparseVector((3,), (1.0,)), depth, Filter(conditions))
        legs = await stores.chunks.search(TENANT, query)
        assert set(keys(legs.dense)) == set(keys(legs.sparse)) or depth < 2000
        assert max(len(keys(legs.dense)), len(keys(legs.sparse))) <= depth
        return {key.attempt_id for key in keys(legs.dense)}

    three = Condition("metadata.number", AnyOf((3, 5, 1301)))
    assert await passing(three) == {attempts[2], attempts[4]}
    assert await passing(replace(three, negate=True)) == set(attempts) - {attempts[2], attempts[4]}
    some = await passing(replace(three, negate=True), depth=50)
    assert len(some) == 50
    for field in ("metadata.number", "metadata.other"):  # of these a server indexes one
        assert await passing(Condition(field, NumberRange(gt=2.0, lte=5.0))) == set(attempts[2:5])
        assert await passing(Condition(field, NumberRange(gte=3.0))) == set(attempts[2:])
        assert await passing(Condition(field, NumberRange(gte=3.0), negate=True)) == set(attempts[:2])
        assert await passing(three, Condition(field, NumberRange(lt=4.0))) == {attempts[2]}
    day = Condition("metadata.day", TimeRange(NOW - timedelta(hours=36), NOW + timedelta(hours=13)))
    early = Condition("metadata.number", NumberRange(lt=40.0))
    assert await passing(day, early) == {attempts[0], attempts[19], attempts[20]}
    tenth = TimeRange(NOW + timedelta(seconds=10), NOW + timedelta(seconds=11))
    assert await passing(Condition("create_time", tenth)) == {attempts[9]}
    assert await passing(Condition("size_bytes", NumberRange(lte=200.0))) == set(attempts[:2])
    assert await passing(Condition("metadata.number", Exists(False))) == set()
    assert await passing(Condition("metadata.none", Exists(False)), three) == {attempts[2], attempts[4]}
    assert await passing(Condition("metadata.number", Equals(0))) == set()
    assert await passing(Condition("document_id", Equals(records[7].document_id))) == {attempts[7]}
    ninth = records[8]
    assert ninth.live is not None
    described = replace(ninth.live.description, metadata={"number": 3})
    renamed = next_revision(ninth, live=replace(ninth.live, description=described))
    assert await stores.records.put(TENANT, renamed, expected_revision=1)
    assert await passing(three) == {attempts[2], attempts[4], attempts[8]}
    assert await passing(Condition("metadata.number", Equals(9))) == set()
    assert await stores.records.remove(TENANT, ninth.document_id, expected_revision=2)
    await stores.records.remove(TENANT, records[2].document_id, expected_revision=1)
    assert await passing(three) == {attempts[4]}


async def test_languages_are_those_of_live_documents(stores: Stores) -> None:
    """Each that a live document is in is named before its write returns; not those of unfinished ones."""
    assert await spoken(stores) == set()
    german, plain = record(1, language="de"), record(2)
    await stores.records.put(TENANT, record(3, live=False, language="fr"), expected_revision=None)
    assert await stores.records.put(TENANT, german, expected_revision=None)
    assert await spoken(stores) == {"de"}
    await stores.records.put(TENANT, plain, expected_revision=None)
    assert german.live is not None
    italian = next_revision(german, live=replace(german.live, language="it"))
    assert await stores.records.put(TENANT, italian, expected_revision=1)
    assert {"it"} <= await spoken(stores) <= {"de", "it"}
    assert (await stores.records.languages(TENANT))[""] >= 1
    assert await spoken(stores, "globex") == set()


async def spoken(stores: Stores, tenant: str = TENANT) -> set[str]:
    return set(await stores.records.languages(tenant)) - {""}


# --- text ---


async def test_text_blocks_are_read_by_span(stores: Stores) -> None:
    attempt = new_attempt_id()
    blocks = [block(0, "abcdefghij"), block(10, "klmnopqrst"), block(15, "pqrstuvwxyz")]
    await stores.texts.write(TENANT, attempt, blocks[1:])
    await stores.texts.write(TENANT, attempt, blocks[:2])
    await stores.texts.write(TENANT, new_attempt_id(), [block(0, "other")])
    assert await stores.texts.read(TENANT, attempt, 0, 100) == blocks
    assert await stores.texts.read(TENANT, attempt, 9, 10) == blocks[:1]
    assert await stores.texts.read(TENANT, attempt, 20, 21) == blocks[2:]
    assert await stores.texts.extents(TENANT, attempt) == [(0, 10), (10, 20), (15, 26)]
    assert list(await stores.texts.extents(TENANT, new_attempt_id())) == []


# --- records ---


async def test_records_come_back_as_they_went_in(stores: Stores) -> None:
    whole = record(1, metadata={"nested": {"list": [1, "two", 3.5, None, True]}, "empty": {}})
    failed = record(2, live=False, status=Status.FAILED)
    error = DocumentError(reasons.ERROR_REASON_NO_TEXT, "No text.", retryable=False)
    failed = replace(failed, attempt=replace(failed.attempt, error=error))
    for item in (whole, failed):
        assert await stores.records.put(TENANT, item, expected_revision=None)
        assert await stores.records.get(TENANT, item.document_id) == item


async def test_a_write_that_builds_on_an_old_revision_is_refused(stores: Stores) -> None:
    first = record(1)
    second = next_revision(first, source="changed")
    assert await stores.records.put(TENANT, first, expected_revision=None)
    assert not await stores.records.put(TENANT, second, expected_revision=None)
    assert not await stores.records.put(TENANT, second, expected_revision=7)
    assert await stores.records.put(TENANT, second, expected_revision=1)
    assert not await stores.records.remove(TENANT, first.document_id, expected_revision=1)
    assert await stores.records.get(TENANT, first.document_id) == second
    assert await stores.records.remove(TENANT, first.document_id, expected_revision=2)
    assert await stores.records.get(TENANT, first.document_id) is None
    assert not await stores.records.remove(TENANT, first.document_id, expected_revision=2)
    assert not await stores.records.put(TENANT, second, expected_revision=2)


async def test_an_attempt_is_live_exactly_while_a_record_says_so(stores: Stores) -> None:
    old = record(1)
    old_id = old.attempt.attempt_id
    pending = record(2, live=False, status=Status.PROCESSING)
    for item in (old, pending):
        await stores.records.put(TENANT, item, expected_revision=None)
    asked = {old_id, pending.attempt.attempt_id, new_attempt_id()}
    assert await stores.records.live(TENANT, asked) == {old_id: old}
    assert await stores.records.still_open(TENANT, asked) == {pending.attempt.attempt_id: pending}
    assert [r.document_id for r in await stores.records.open_attempts(TENANT)] == [pending.document_id]

    fresh = record(1)
    new = next_revision(old, live=fresh.live, attempt=fresh.attempt)
    await stores.records.put(TENANT, new, expected_revision=1)
    new_id = fresh.attempt.attempt_id
    assert await stores.records.live(TENANT, {old_id, new_id}) == {new_id: new}
    await stores.records.remove(TENANT, old.document_id, expected_revision=2)
    assert await stores.records.live(TENANT, {old_id, new_id}) == {}


async def test_of_two_versions_one_is_live_even_if_one_decides(stores: Stores) -> None:
    """Both were read while they were live; who is sure of the new one is told nothing of the old one."""
    old, fresh, other = record(1), record(1), record(2)
    new = next_revision(old, live=fresh.live, attempt=fresh.attempt)
    old_id, new_id, other_id = (item.attempt.attempt_id for item in (old, new, other))
    for item in (old, other):
        await stores.records.put(TENANT, item, expected_revision=None)
    assert await stores.records.live(TENANT, {old_id, other_id}) == {old_id: old, other_id: other}
    await stores.records.put(TENANT, new, expected_revision=1)
    assert await stores.records.live(TENANT, {new_id}) == {new_id: new}
    live = await stores.records.live(TENANT, {old_id, new_id, other_id}, {new_id})
    assert live == {new_id: new, other_id: other}


async def test_pages_are_newest_first_and_follow_the_cursor(stores: Stores) -> None:
    same_time = [replace(record(i), create_time=NOW) for i in (1, 2, 3)]
    later = [record(i) for i in (4, 5)]
    for item in (*same_time, *later):
        await stores.records.put(TENANT, item, expected_revision=None)
    everything = DocumentQuery(NOW)
    expected = [item.document_id for item in (later[1], later[0], *reversed(same_time))]
    walked: list[str] = []
    cursor = None
    while page := await stores.records.page(TENANT, everything, cursor, 2):
        walked += [item.document_id for item in page]
        last = page[-1]
        cursor = Cursor(round(last.create_time.timestamp() * 1_000_000), last.document_id)
    assert walked == expected


async def test_pages_keep_what_passes(stores: Stores) -> None:
    """By status as of the time given (an attempt past its lease counts as failed), type and filter."""
    items = [
        record(1, type_=DocumentType.PDF),
        record(2, live=False, status=Status.PROCESSING),
        record(3, live=False, status=Status.FAILED),
        record(4, metadata={"a": 1}),
    ]
    for item in items:
        await stores.records.put(TENANT, item, expected_revision=None)

    async def numbers(query: DocumentQuery) -> list[int]:
        found = await stores.records.page(TENANT, query, None, 10)
        return [int(item.document_id[-12:]) for item in found]

    late = NOW + timedelta(hours=1)
    failed = frozenset({Status.FAILED})
    assert await numbers(DocumentQuery(NOW, failed)) == [3]
    assert await numbers(DocumentQuery(late, failed)) == [3, 2]
    assert await numbers(DocumentQuery(NOW, frozenset({Status.PROCESSING, Status.INDEXED}))) == [4, 2, 1]
    assert await numbers(DocumentQuery(NOW, types=frozenset({DocumentType.PDF}))) == [1]
    assert await numbers(DocumentQuery(NOW, filter=Filter((Condition("metadata.a", Equals(1)),)))) == [4]


async def test_pages_keep_what_is_within_a_range(stores: Stores) -> None:
    """Over fields a server indexes, and over one it does not."""
    records = [
        record(i, metadata={"number": i, "other": -i}, language="de" if i < 3 else "") for i in range(1, 8)
    ]
    for item in records:
        await stores.records.put(TENANT, item, expected_revision=None)

    async def numbers(*conditions: Condition) -> list[int]:
        query = DocumentQuery(NOW, filter=Filter(conditions))
        first = await stores.records.page(TENANT, query, None, 2)
        if not first:
            return []
        rest = await stores.records.page(TENANT, query, _cursor(first[-1]), 10)
        return [int(item.description.metadata["number"]) for item in (*first, *rest)]  # type: ignore[arg-type]  # as made

    assert await numbers(Condition("metadata.number", NumberRange(gt=2.0, lt=6.0))) == [5, 4, 3]
    assert await numbers(Condition("metadata.other", NumberRange(lt=-2.0))) == [7, 6, 5, 4, 3]
    assert await numbers(Condition("metadata.number", NumberRange(gt=2.0), negate=True)) == [2, 1]
    after = Condition("create_time", TimeRange(NOW + timedelta(seconds=5)))
    assert await numbers(after) == [7, 6, 5]
    assert await numbers(after, Condition("metadata.number", Equals(6), negate=True)) == [7, 5]
    assert await numbers(Condition("language", Equals("de"))) == [2, 1]
    assert await numbers(Condition("title", Equals("Title")), after) == [7, 6, 5]
    assert await numbers(Condition("page_count", NumberRange(gt=2.0))) == []


def _cursor(item: DocumentRecord) -> Cursor:
    return Cursor(to_microseconds(item.create_time), item.document_id)


@pytest.mark.parametrize("engine", ["server", "cluster"])
async def test_fields_declared_later_are_indexed_when_the_store_is_opened(
    targets: Targets, engine: str, tmp_path: Path
) -> None:
    """What was stored before is found as before; what others write with other fields is after a while."""
    wanted = Filter((Condition("metadata.number", NumberRange(gte=2.0)),))
    async with targets.unshared(engine, tmp_path) as place:
        options = targets.options(engine, place.name)
        clock = ShiftedClock()
        async with open_server(replace(options, filter_fields=()), SPACE, clock) as old:
            items = [record(i, metadata={"number": i}) for i in range(1, 4)]
            for item in items:
                await old.records.put(TENANT, item, expected_revision=None)
            async with open_server(options, SPACE, clock) as new:
                query = DocumentQuery(NOW, filter=wanted)
                found = await new.records.page(TENANT, query, None, 10)
                assert [item.document_id for item in found] == [items[2].document_id, items[1].document_id]
                late = record(4, metadata={"number": 4})
                await old.records.put(TENANT, late, expected_revision=None)
                clock.seconds += 11
                assert len(await new.records.page(TENANT, query, None, 10)) == 3
                await new.chunks.write(TENANT, [embedded(late.attempt.attempt_id, 0)])
                legs = await new.chunks.search(TENANT, ChunkQuery(direction(1), None, 5, wanted))
                assert {key.attempt_id for key in keys(legs.dense)} == {late.attempt.attempt_id}


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by some seconds."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


async def test_totals_count_each_document_once(stores: Stores) -> None:
    first = record(1, chunks=3)
    for item in (
        first,
        record(2, chunks=5),
        record(3, live=False, status=Status.PROCESSING),
        record(4, live=False, status=Status.FAILED),
        record(5, live=True, status=Status.FAILED, chunks=1),
        record(6, live=True, status=Status.PENDING, chunks=1),
    ):
        await stores.records.put(TENANT, item, expected_revision=None)
    totals = await stores.records.totals(TENANT, NOW)
    assert (totals.indexed_documents, totals.processing_documents, totals.failed_documents) == (4, 1, 1)
    assert (totals.chunks, totals.characters, totals.size_bytes) == (10, 200, 1400)
    late = await stores.records.totals(TENANT, NOW + timedelta(hours=1))
    assert (late.indexed_documents, late.processing_documents, late.failed_documents) == (4, 0, 2)
    await stores.records.remove(TENANT, first.document_id, expected_revision=1)
    assert (await stores.records.totals(TENANT, NOW)).chunks == 7


# --- upkeep, tenants, restarts ---


async def test_erasing_an_attempt_takes_its_chunks_and_text_only(stores: Stores) -> None:
    attempt, other = new_attempt_id(), new_attempt_id()
    for item in (attempt, other):
        await stores.chunks.write(TENANT, [embedded(item, i) for i in range(10)])
        await stores.texts.write(TENANT, item, [block(0, "abc"), block(3, "def")])
    erased = []
    while points := await stores.upkeep.erase(TENANT, attempt, limit=4):
        erased.append(points)
    assert sum(erased) == 12
    assert max(erased) <= 4
    assert await stores.chunks.count(TENANT, attempt) == 0
    assert list(await stores.texts.extents(TENANT, attempt)) == []
    assert await stores.chunks.count(TENANT, other) == 10
    assert len(await stores.texts.extents(TENANT, other)) == 2


async def test_unreferenced_attempts_are_those_no_record_needs(stores: Stores) -> None:
    live = record(1, chunks=1)
    open_attempt = record(2, live=False, status=Status.PROCESSING)
    ended = record(3, live=False, status=Status.FAILED)
    stray_chunks, stray_text = new_attempt_id(), new_attempt_id()
    for item in (live, open_attempt, ended):
        await stores.records.put(TENANT, item, expected_revision=None)
        await stores.chunks.write(TENANT, [embedded(item.attempt.attempt_id, 0)])
    await stores.chunks.write(TENANT, [embedded(stray_chunks, 0)])
    await stores.texts.write(TENANT, stray_text, [block(0, "abc")])
    found = await stores.upkeep.unreferenced(TENANT)
    assert set(found) == {stray_chunks, stray_text, ended.attempt.attempt_id}
    assert await stores.upkeep.active_tenants() == [TENANT]


async def test_tenants_share_nothing(stores: Stores) -> None:
    attempt = new_attempt_id()
    await stores.chunks.write(TENANT, [embedded(attempt, 0, terms={3: 1.0})])
    await stores.texts.write(TENANT, attempt, [block(0, "abc")])
    mine = record(1)
    await stores.records.put(TENANT, mine, expected_revision=None)
    query = ChunkQuery(direction(1), SparseVector((3,), (1.0,)), depth=5)
    key = ChunkKey(attempt, 0)
    for stranger in ("globex", "ACME", "acme.", "acme-1"):
        assert (await stores.chunks.search(stranger, query)).dense == Leg()
        named = frozenset({key})
        assert await stores.chunks.complete(stranger, query, Missing(named, named, named)) == Completion()
        assert await stores.chunks.fetch(stranger, [key]) == {}
        assert await stores.chunks.existing(stranger, [key]) == frozenset()
        assert await stores.chunks.count(stranger, attempt) == 0
        assert list(await stores.chunks.between(stranger, attempt, 0, 100)) == []
        assert list(await stores.texts.read(stranger, attempt, 0, 100)) == []
        assert list(await stores.texts.extents(stranger, attempt)) == []
        assert await stores.records.get(stranger, mine.document_id) is None
        assert await stores.records.live(stranger, {mine.attempt.attempt_id}) == {}
        assert await stores.records.still_open(stranger, {mine.attempt.attempt_id}) == {}
        assert not await stores.records.remove(stranger, mine.document_id, expected_revision=1)
        assert list(await stores.records.page(stranger, DocumentQuery(NOW), None, 5)) == []
        assert (await stores.records.totals(stranger, NOW)).indexed_documents == 0
        assert list(await stores.records.open_attempts(stranger)) == []
        assert await stores.upkeep.erase(stranger, attempt, 5) == 0
        assert list(await stores.upkeep.unreferenced(stranger)) == []
    await stores.chunks.write("globex", [embedded(new_attempt_id(), 0)])
    assert len(keys((await stores.chunks.search(TENANT, query)).dense)) == 1


async def test_everything_is_there_after_reopening(targets: Targets, engine: str, place: Path) -> None:
    """All tenants; and a tenant with nothing left behind needs no check at the next start."""
    settled, unsettled = record(1, chunks=1), record(2, live=False, status=Status.PROCESSING)
    attempt = settled.attempt.attempt_id
    async with targets.opened(engine, place, SPACE) as stores:
        await stores.chunks.write("settled", [embedded(attempt, 0)])
        await stores.texts.write("settled", attempt, [block(0, "abc")])
        await stores.records.put("settled", settled, expected_revision=None)
        await stores.records.put("unsettled", unsettled, expected_revision=None)
        key = stores.page_token_key
        await stores.upkeep.flush()
    async with targets.opened(engine, place, SPACE) as stores:
        assert stores.page_token_key == key
        assert await stores.upkeep.tenants_to_check() == ["unsettled"]
        assert await stores.records.get("settled", settled.document_id) == settled
        assert await stores.records.live("settled", {attempt}) == {attempt: settled}
        assert await stores.records.get("unsettled", unsettled.document_id) == unsettled
        legs = await stores.chunks.search("settled", ChunkQuery(direction(1), None, depth=5))
        assert keys(legs.dense) == [ChunkKey(attempt, 0)]
        assert await stores.texts.read("settled", attempt, 0, 9) == [block(0, "abc")]
