"""Integer ids tell attempt and ordinal, and two attempts never share a slot."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.clock import ManualClock
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.documents.lifecycle import Begun, Documents
from services.retrieval.documents.records import RecordEditor
from services.retrieval.documents.sweeper import Sweeper
from services.retrieval.model import ChunkKey, Description, IfExists
from services.retrieval.store.edge.opening import open_edge
from services.retrieval.store.edge.slots import MAX_ORDINAL, Slots, point_id, slot_in
from services.retrieval.store.questions import ChunkQuery
from services.retrieval.store.spaces import VectorSpace
from tests.contract.retrieval_samples import DIMENSIONS, NOW, direction, embedded
from tests.contract.test_store import keys

SPACE = VectorSpace("test", DIMENSIONS, "test")


@given(st.uuids(version=4).map(str), st.integers(0, MAX_ORDINAL))
def test_a_point_id_fits_64_bits_and_tells_attempt_and_ordinal(attempt: str, ordinal: int) -> None:
    slots = Slots()
    key = ChunkKey(attempt, ordinal)
    assert slots.take(attempt)
    assert 0 <= point_id(key) < 2**64
    assert slots.keys([point_id(key)]) == [key]
    assert slots.unknown([point_id(key)]) == []


@pytest.mark.parametrize("ordinal", [-1, MAX_ORDINAL + 1])
def test_an_ordinal_that_does_not_fit_is_refused(ordinal: int) -> None:
    with pytest.raises(ValueError, match="ordinal"):
        point_id(ChunkKey(new_attempt_id(), ordinal))


def twin(attempt: str) -> str:
    """Another attempt id with the same slot."""
    return attempt[:13] + str(uuid.uuid4())[13:]


def test_a_slot_belongs_to_one_attempt_until_it_is_released() -> None:
    slots, first = Slots(), new_attempt_id()
    second = twin(first)
    assert slots.take(first)
    assert slots.take(first)
    assert not slots.take(second)
    slots.release(second)
    assert not slots.take(second)
    slots.release(first)
    assert slots.take(second)


def test_one_point_of_each_unknown_slot_is_named() -> None:
    slots, known, unknown = Slots(), new_attempt_id(), new_attempt_id()
    slots.take(known)
    points = [point_id(ChunkKey(attempt, i)) for attempt in (known, unknown) for i in range(3)]
    (found,) = slots.unknown(points)
    assert slot_in(found) == slot_in(points[-1])


async def test_an_attempt_whose_slot_is_taken_gets_another_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The upload does not notice; neither document ever shows the other's chunks."""
    first = new_attempt_id()
    tokens = iter([first, twin(first), new_attempt_id()])
    monkeypatch.setattr("services.retrieval.documents.identifiers.new_attempt_id", lambda: next(tokens))
    clock = ManualClock(NOW)
    async with open_edge(tmp_path, SPACE) as stores:
        editor = RecordEditor(stores.records, clock)
        documents = Documents(stores, editor, Sweeper(stores, editor, clock, 1.0), clock, timedelta(60))
        description = Description("f", None, 1, {})
        begun = [
            await documents.begin("t", source, description, "", IfExists.REPLACE) for source in ("a", "b")
        ]
        ids = [item.token for item in begun if isinstance(item, Begun)]
        assert ids[0] == first
        assert ids[1] not in (first, twin(first))
        assert slot_in(point_id(ChunkKey(ids[0], 0))) != slot_in(point_id(ChunkKey(ids[1], 0)))


async def test_leftovers_of_an_earlier_process_are_told_apart(tmp_path: Path) -> None:
    """Their slots are not known at first; their payload says whose they are."""
    attempt = new_attempt_id()
    async with open_edge(tmp_path, SPACE) as stores:
        await stores.chunks.write("t", [embedded(attempt, i) for i in range(3)])
    async with open_edge(tmp_path, SPACE) as stores:
        legs = await stores.chunks.search("t", ChunkQuery(direction(1), None, depth=5))
        assert sorted(keys(legs.dense)) == [ChunkKey(attempt, i) for i in range(3)]
        with pytest.raises(ValueError, match="slot"):
            await stores.chunks.write("t", [embedded(twin(attempt), 0)])
