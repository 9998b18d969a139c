"""What is done about chunks a server leaves out of searches: when it is asked, and what is written again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.retrieval.store.server.connection.collections import Collection
from services.retrieval.store.server.hidden import HiddenChunks


class Engine(Collection):
    """Has five chunks of each attempt, and keeps those of some from searches until they are written to."""

    def __init__(self, *hidden: str) -> None:
        self.name = "chunks"
        self.hidden = set(hidden)
        self.touched: list[list[str]] = []
        self.is_down = False

    async def count(self, wanted: q.Filter | None = None, *, exact: bool = True) -> int:
        if self.is_down:
            raise DocuQueryError(reasons.ERROR_REASON_STORE_UNAVAILABLE, "down")
        return 5 * len(named(wanted))

    async def query(self, requests: Sequence[q.QueryPoints]) -> Sequence[Sequence[q.ScoredPoint]]:
        shown = [5 * len(named(request.filter) - self.hidden) for request in requests]
        return [
            [q.ScoredPoint()] * min(number - request.offset, request.limit)
            for number, request in zip(shown, requests, strict=True)
        ]

    async def set_payload(self, payload: Mapping[str, Any], wanted: q.Filter) -> None:
        self.touched.append(sorted(named(wanted)))
        self.hidden -= named(wanted)


def named(wanted: q.Filter | None) -> set[str]:
    assert wanted is not None
    return set(wanted.must[0].field.match.keywords.strings)


async def test_a_short_search_has_what_it_missed_written_to() -> None:
    engine = Engine("b")
    hidden = HiddenChunks(engine, 4)
    assert await hidden.uncover({"a", "b"}, seen=5)
    assert engine.hidden == set()


async def test_a_search_that_found_all_there_is_writes_nothing() -> None:
    engine = Engine()
    assert not await HiddenChunks(engine, 4).uncover({"a"}, seen=5)
    assert engine.touched == []


async def test_what_was_written_is_looked_at_once_a_round_later() -> None:
    engine = Engine("late")
    hidden = HiddenChunks(engine, 4)
    hidden.note({"late"})
    await hidden.revisit()
    assert engine.touched == [], "an optimisation that begins now is not seen yet"
    for _ in range(3):
        await hidden.revisit()
    assert engine.touched == [["late"]]


async def test_chunks_that_show_are_left_alone() -> None:
    engine = Engine()
    hidden = HiddenChunks(engine, 4)
    hidden.note({f"attempt {i}" for i in range(120)})
    for _ in range(3):
        await hidden.revisit()
    assert engine.touched == []


async def test_a_look_that_failed_is_made_up_for() -> None:
    engine = Engine("late")
    hidden = HiddenChunks(engine, 4)
    hidden.note({"late"})
    await hidden.revisit()
    engine.is_down = True
    with pytest.raises(DocuQueryError):
        await hidden.revisit()
    engine.is_down = False
    await hidden.revisit()
    assert engine.touched == [["late"]]
