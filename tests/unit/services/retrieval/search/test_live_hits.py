"""Asking a store that others write to: nothing is missed, and the indexes are not asked more than needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.filtering.conditions import Condition, Exists, Filter
from services.retrieval.model import ChunkKey, DocumentRecord, Status
from services.retrieval.search.live_hits import LiveFinder, LiveHits, Need
from services.retrieval.store.questions import ChunkQuery, Completion, Leg, Legs, Missing, SparseVector
from tests.contract.retrieval_samples import direction, next_revision, record

TENANT = "acme"
LONG_AFTER = record(0).update_time + timedelta(days=1)
"""After everything was committed."""
QUERY = ChunkQuery(direction(1.0), SparseVector((1,), (1.0,)), 100)


class SharedStore:
    """Documents of one chunk each, in memory; `then` is done by somebody else after the next asking."""

    def __init__(self) -> None:
        self.indexed: list[str] = []
        self.rest: list[ChunkKey] = []
        """Chunks besides the first ones."""
        self.records: dict[str, DocumentRecord] = {}
        self.askings = 0
        self.then: Callable[[], None] | None = None
        self.between: Callable[[], None] | None = None
        """Done after the records were read for a filter, before the indexes are asked."""
        self.last_read: dict[str, DocumentRecord] = {}
        """What is told of attempts that nobody has to be sure of."""

    def begin(self, number: int) -> DocumentRecord:
        """Opens an attempt on document `number`, whose chunk is indexed at once."""
        opened = record(number, live=False, status=Status.PROCESSING)
        before = self.records.get(opened.document_id)
        if before is not None:
            opened = next_revision(before, attempt=opened.attempt)
        self.records[opened.document_id] = opened
        self.indexed.append(opened.attempt.attempt_id)
        return opened

    def commit(self, number: int) -> DocumentRecord:
        """Makes the open attempt live."""
        opened = self.records[record(number).document_id]
        done = replace(opened.attempt, status=Status.INDEXED)
        live = replace(record(number).live, attempt_id=done.attempt_id)  # type: ignore[type-var]  # it is there
        committed = next_revision(opened, attempt=done, live=live)
        self.records[opened.document_id] = committed
        return committed

    def upload(self, number: int) -> DocumentRecord:
        """Both."""
        self.begin(number)
        return self.commit(number)

    def delete(self, number: int) -> None:
        """Removes the record; the chunk stays until it is swept."""
        del self.records[record(number).document_id]

    async def search(self, tenant: str, query: ChunkQuery) -> Legs:
        self.askings += 1
        selected = frozenset(stored.live.attempt_id for stored in self.records.values() if stored.live)
        if self.between is not None:
            self.between()
            self.between = None
        hits = {ChunkKey(attempt, 0): 0.5 for attempt in self.indexed} | dict.fromkeys(self.rest, 0.9)
        if self.then is not None:
            self.then()
            self.then = None
        if not query.filter:
            return Legs(Leg(hits), Leg(dict(islice(hits.items(), 1))))
        found = frozenset(key.attempt_id for key in hits)
        hits = {key: score for key, score in hits.items() if key.attempt_id in selected}
        return Legs(Leg(hits), Leg(hits), relied_on=selected - found, passed_over=found - selected)

    async def complete(self, tenant: str, query: ChunkQuery, missing: Missing) -> Completion:
        return Completion(sparse=dict.fromkeys(missing.sparse, 0.25))

    async def live(
        self, tenant: str, attempt_ids: Collection[str], deciding: Collection[str] | None = None
    ) -> Mapping[str, DocumentRecord]:
        found = {stored.live.attempt_id: stored for stored in self.records.values() if stored.live}
        if deciding is not None:
            found = {name: last for name, last in self.last_read.items() if name not in deciding} | found
        return {attempt: found[attempt] for attempt in attempt_ids if attempt in found}

    async def still_open(self, tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        found = {
            stored.attempt.attempt_id: stored for stored in self.records.values() if stored.attempt.is_open
        }
        return {attempt: found[attempt] for attempt in attempt_ids if attempt in found}


@pytest.fixture
def store() -> SharedStore:
    return SharedStore()


@pytest.fixture
def finder(store: SharedStore) -> LiveFinder:
    return of(store, is_shared=True)


def of(store: SharedStore, *, is_shared: bool) -> LiveFinder:
    return LiveFinder(store, store, is_shared=is_shared)  # type: ignore[arg-type]  # as much as is used


def of_all(legs: Legs, alive: Set[str] | None) -> Need:
    """What somebody needs who looks at every hit: what the sparse index gives to those of the other."""
    assert legs.dense is not None
    assert legs.sparse is not None
    found = legs.dense.hits.keys()
    missing = found - legs.sparse.hits.keys()
    return Need(Missing(sparse=frozenset(missing)), frozenset(key.attempt_id for key in found))


async def find(finder: LiveFinder) -> LiveHits:
    return await finder.find(TENANT, QUERY, of_all, LONG_AFTER)


async def test_live_hits_are_asked_for_once(store: SharedStore, finder: LiveFinder) -> None:
    attempts = {store.upload(number).attempt.attempt_id for number in range(3)}
    assert (await find(finder)).live.keys() == attempts
    assert store.askings == 1


async def test_a_version_committed_after_the_asking_is_found_by_another(
    store: SharedStore, finder: LiveFinder
) -> None:
    """The indexes did not know it, and the one they knew is dead: without a second look it would vanish."""
    store.upload(1)
    store.then = lambda: store.upload(1) and None
    found = await find(finder)
    assert [stored.document_id for stored in found.live.values()] == [record(1).document_id]
    assert store.askings == 2


async def test_an_attempt_seen_to_have_ended_costs_a_second_asking_only_once(
    store: SharedStore, finder: LiveFinder
) -> None:
    store.upload(1)
    store.upload(2)
    store.delete(1)
    assert len((await find(finder)).live) == 1
    assert store.askings == 2
    assert len((await find(finder)).live) == 1
    assert store.askings == 3


async def test_an_end_seen_during_an_asking_does_not_excuse_that_asking(
    store: SharedStore, finder: LiveFinder
) -> None:
    """Another search sees the end while this one is under way: this one still looks again."""
    store.upload(1)
    first = store.search

    async def search(tenant: str, query: ChunkQuery) -> Legs:
        legs = await first(tenant, query)
        if store.askings == 1:
            store.upload(1)
            await find(finder)
        return legs

    store.search = search  # type: ignore[method-assign]  # what another caller does meanwhile
    found = await find(finder)
    assert [stored.document_id for stored in found.live.values()] == [record(1).document_id]


async def test_a_first_upload_under_way_costs_no_second_asking(
    store: SharedStore, finder: LiveFinder
) -> None:
    store.upload(1)
    store.begin(2)
    assert len((await find(finder)).live) == 1
    assert store.askings == 1


async def test_a_replacement_under_way_costs_none_when_the_version_it_replaces_is_among_the_hits(
    store: SharedStore, finder: LiveFinder
) -> None:
    store.upload(1)
    store.begin(1)
    assert len((await find(finder)).live) == 1
    assert store.askings == 1


async def test_a_replacement_under_way_of_a_version_that_was_not_hit_is_looked_at_again(
    store: SharedStore, finder: LiveFinder
) -> None:
    """The version may have been committed after the asking, and its chunks not been there yet."""
    store.upload(1)
    missed = store.indexed.pop()
    store.begin(1)
    store.then = lambda: store.indexed.append(missed)
    assert (await find(finder)).live.keys() == {missed}
    assert store.askings == 2


async def test_it_gives_up_on_a_store_that_never_holds_still(store: SharedStore, finder: LiveFinder) -> None:
    store.upload(1)

    def again() -> None:
        store.upload(1)
        store.indexed = [new_attempt_id()]

    first = store.search

    async def search(tenant: str, query: ChunkQuery) -> Legs:
        store.then = again
        return await first(tenant, query)

    store.search = search  # type: ignore[method-assign]  # somebody who never rests
    await find(finder)
    assert store.askings == 20


async def test_what_is_missing_is_asked_along_the_way(store: SharedStore, finder: LiveFinder) -> None:
    keys = [ChunkKey(store.upload(number).attempt.attempt_id, 0) for number in range(3)]
    found = await find(finder)
    assert found.asked == Missing(sparse=frozenset(keys[1:]))
    assert found.completion.sparse.keys() == set(keys[1:])


async def test_what_decides_nothing_may_be_as_it_was_last_read(
    store: SharedStore, finder: LiveFinder
) -> None:
    best = store.upload(1).attempt.attempt_id
    other = store.upload(2)
    store.last_read = {other.attempt.attempt_id: other}
    store.delete(2)

    def of_the_best(_legs: Legs, _alive: Set[str] | None) -> Need:
        return Need(Missing(), frozenset({best}))

    found = await finder.find(TENANT, QUERY, of_the_best, LONG_AFTER)
    assert found.live.keys() == {best, other.attempt.attempt_id}
    assert store.askings == 1
    assert (await find(finder)).live.keys() == {best}


async def test_what_decides_because_others_are_dead_is_made_sure_of(
    store: SharedStore, finder: LiveFinder
) -> None:
    best = store.upload(1).attempt.attempt_id
    second = store.upload(2)
    store.last_read = {second.attempt.attempt_id: second}
    store.delete(1)
    store.delete(2)

    def of_the_first(_legs: Legs, alive: Set[str] | None) -> Need:
        first = best if alive is None or best in alive else second.attempt.attempt_id
        return Need(Missing(), frozenset({first}))

    assert (await finder.find(TENANT, QUERY, of_the_first, LONG_AFTER)).live == {}


async def test_with_a_filter_all_hits_are_made_sure_of(store: SharedStore, finder: LiveFinder) -> None:
    gone = store.upload(1)
    store.last_read = {gone.attempt.attempt_id: gone}
    store.between = lambda: store.delete(1)

    def of_nothing(_legs: Legs, _alive: Set[str] | None) -> Need:
        return Need(Missing(), frozenset())

    assert (await finder.find(TENANT, OF_ALL, of_nothing, LONG_AFTER)).live == {}


async def test_a_store_of_our_own_is_asked_once_and_for_hits_alone(store: SharedStore) -> None:
    """Nobody comes between, and nothing is gained by asking for two things at once."""
    store.upload(1)
    store.upload(1)
    found = await find(of(store, is_shared=False))
    assert (len(found.live), found.asked, store.askings) == (1, None, 1)


async def test_a_version_that_becomes_live_while_it_is_judged_is_not_remembered_as_ended(
    store: SharedStore, finder: LiveFinder
) -> None:
    """Else its replacement would go unnoticed later: hits of what has ended are no reason to ask again."""
    store.upload(1)
    opened = store.begin(1)
    first = store.still_open

    async def still_open(tenant: str, attempt_ids: Collection[str]) -> Mapping[str, DocumentRecord]:
        if store.records[opened.document_id].attempt.is_open:
            store.commit(1)
        return await first(tenant, attempt_ids)

    store.still_open = still_open  # type: ignore[method-assign]  # a commit just before the answer
    await find(finder)
    store.then = lambda: store.upload(1) and None
    found = await find(finder)
    assert [stored.document_id for stored in found.live.values()] == [opened.document_id]


OF_ALL = replace(QUERY, filter=Filter((Condition("source", Exists(wanted=True)),)))


async def test_a_version_that_was_deleted_after_a_filter_chose_it_is_no_reason_to_miss_its_successor(
    store: SharedStore, finder: LiveFinder
) -> None:
    """Its chunks are gone before the indexes are asked, so no hit tells that it is dead."""
    old = store.upload(1).attempt.attempt_id

    def replace_and_erase() -> None:
        store.upload(1)
        store.indexed.remove(old)

    store.between = replace_and_erase
    found = await finder.find(TENANT, OF_ALL, of_all, LONG_AFTER)
    assert [stored.document_id for stored in found.live.values()] == [record(1).document_id]
    assert store.askings == 2


async def test_a_document_committed_after_a_filter_chose_is_found(
    store: SharedStore, finder: LiveFinder
) -> None:
    store.upload(1)
    store.between = lambda: store.upload(2) and None
    found = await finder.find(TENANT, OF_ALL, of_all, LONG_AFTER)
    assert len(found.live) == 2
    assert store.askings == 2


async def test_an_attempt_committed_after_the_asking_is_asked_for_whole_once(
    store: SharedStore, finder: LiveFinder
) -> None:
    """A part of its chunks was indexed when the first asking came, and the best was not among it."""
    opened = store.begin(1)
    best = ChunkKey(opened.attempt.attempt_id, 7)

    def index_the_rest_and_commit() -> None:
        store.rest.append(best)
        store.commit(1)

    store.then = index_the_rest_and_commit
    began = opened.update_time
    found = await finder.find(TENANT, QUERY, of_all, began)
    assert found.legs.dense is not None
    assert best in found.legs.dense.hits
    assert store.askings == 2
    await finder.find(TENANT, QUERY, of_all, began)
    assert store.askings == 3


async def test_what_was_committed_long_before_is_not_asked_for_twice(
    store: SharedStore, finder: LiveFinder
) -> None:
    committed = store.upload(1)
    await finder.find(TENANT, QUERY, of_all, committed.update_time + timedelta(minutes=2))
    assert store.askings == 1
