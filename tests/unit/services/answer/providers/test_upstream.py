"""Timing a call and joining what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import DocuQueryError
from services.answer.providers.upstream import TextJoiner, UpstreamCall


def joined(deltas: list[str]) -> str:
    joiner = TextJoiner()
    return "".join(joiner.push(delta) for delta in deltas) + joiner.flush()


@given(st.text(), st.data())
def test_text_cut_into_utf16_units_anywhere_comes_back_whole(text: str, data: st.DataObject) -> None:
    raw = text.encode("utf-16-le")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw) // 2), max_size=6)))
    edges = [0, *cuts, len(raw) // 2]
    pieces = [raw[2 * a : 2 * b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]
    assert joined(pieces) == text


@given(st.lists(st.text(st.characters(), max_size=5) | st.sampled_from(["\ud83d", "\ude00", "a\ud83d"])))
def test_whatever_comes_the_result_can_be_encoded(deltas: list[str]) -> None:
    joined(deltas).encode("utf-8")


def test_a_half_that_stays_alone_becomes_the_replacement_character() -> None:
    assert joined(["a\ud83d"]) == "a\ufffd"
    assert joined(["\ud83d", "b"]) == "\ufffdb"


async def test_a_provider_that_pauses_for_too_long_in_its_answer_has_timed_out() -> None:
    async def events() -> AsyncIterator[str]:
        yield "opening"
        await asyncio.sleep(0.3)  # before its text a provider may think for as long as the caller waits
        yield "text"
        await asyncio.Event().wait()

    call = UpstreamCall(provider="p", model="m", timeout_seconds=30, idle_seconds=0.1)
    source = events()
    await call.next(source)
    assert await call.next(source) == "text"
    call.got_text()
    with pytest.raises(DocuQueryError) as error:
        await call.next(source)
    assert error.value.reason_name == "PROVIDER_TIMEOUT"
    assert error.value.metadata["phase"] == "MID_STREAM"
