"""Pieces of text in quick succession go out together; nothing is lost, reordered, or kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.errors import DocuQueryError
from services.answer.events import Completed, Event, Started
from services.answer.joining import joined
from services.answer.model import Outcome

STARTED = Started("p", "m")
DONE = Completed("abc", Outcome.ANSWERED)
ERROR = DocuQueryError(reasons.ERROR_REASON_STREAM_TRUNCATED, "Cut.")


async def given_events(*events: Event | Exception) -> AsyncGenerator[Event, None]:
    for event in events:
        if isinstance(event, Exception):
            raise event
        yield event


async def test_the_first_piece_goes_out_at_once_and_the_next_ones_together() -> None:
    source = given_events(STARTED, "a", "b", "c", DONE)
    assert [event async for event in joined(source, 60)] == [STARTED, "a", "bc", DONE]


async def test_without_a_window_every_piece_goes_out_alone() -> None:
    source = given_events(STARTED, "a", "b", "c", DONE)
    assert [event async for event in joined(source, 0)] == [STARTED, "a", "b", "c", DONE]


async def test_what_was_written_before_a_failure_is_passed_on() -> None:
    found: list[Event] = []
    with pytest.raises(DocuQueryError) as caught:
        async for event in joined(given_events("a", "b", ERROR), 60):
            found.append(event)
    assert caught.value is ERROR
    assert found == ["a", "b"]


async def test_a_piece_does_not_wait_for_the_next_one() -> None:
    async def pausing() -> AsyncGenerator[Event, None]:
        yield "a"
        yield "b"
        await asyncio.Event().wait()

    async with aclosing(pausing()) as source, aclosing(joined(source, 0.01)) as joint:
        assert [await anext(joint), await anext(joint)] == ["a", "b"]


@pytest.mark.parametrize("window", [0.0, 60.0])
async def test_a_reader_that_leaves_ends_what_is_being_waited_for(window: float) -> None:
    left = asyncio.Event()

    async def hanging() -> AsyncGenerator[Event, None]:
        try:
            yield "a"
            yield "b"
            await asyncio.Event().wait()
        finally:
            left.set()

    async def read() -> None:
        async with aclosing(hanging()) as source, aclosing(joined(source, window)) as joint:
            async for _ in joint:
                read_one.set()

    read_one = asyncio.Event()
    task = asyncio.create_task(read())
    await read_one.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left.is_set()


@given(
    st.lists(st.text(min_size=1, max_size=3) | st.just(STARTED), max_size=20), st.sampled_from([0.0, 60.0])
)
async def test_no_text_is_lost_and_the_order_stays(events: list[Event], window: float) -> None:
    found = [event async for event in joined(given_events(*events), window)]

    def flat(some: list[Event]) -> list[object]:
        return [piece for event in some for piece in (event if isinstance(event, str) else [event])]

    assert flat(found) == flat(events)
