"""Passages met before are not taken apart again, and their numbers are always the table's."""

from __future__ import annotations

import asyncio

import pytest

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.model import Chunk, ChunkKey, Span
from services.retrieval.rerankers import numbered_passages, words
from services.retrieval.rerankers.numbered_passages import NumberedPassages
from services.retrieval.rerankers.words import WordTable
from services.retrieval.terms.bm25 import Bm25Encoder


@pytest.fixture
def table() -> WordTable:
    return WordTable(LocalEmbedder.load(), Bm25Encoder("english"))


def chunk(ordinal: int, text: str, title: str = "") -> Chunk:
    return Chunk(ChunkKey("a", ordinal), "d", text, Span(0, len(text), 0, len(text)), title=title)


async def test_a_passage_has_the_numbers_of_its_text_its_title_a_sentence_before_it(table: WordTable) -> None:
    (text,), (passage, bare) = await NumberedPassages(table).number(
        ["Tides . The moon pulls."], [chunk(0, "The moon pulls.", title="Tides"), chunk(1, "The moon pulls.")]
    )
    assert passage.tolist() == text.tolist()
    assert bare.tolist() == text.tolist()[2:]


async def test_a_key_stands_for_its_passage(table: WordTable) -> None:
    passages = NumberedPassages(table)
    _, (first,) = await passages.number([], [chunk(0, "The moon pulls.")])
    # A chunk never changes; this one shows that the text was not looked at again.
    _, (again,) = await passages.number([], [chunk(0, "Something else.")])
    assert again.tolist() == first.tolist()


async def test_when_the_table_begins_anew_so_do_the_passages(
    table: WordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages = NumberedPassages(table)
    kept = chunk(0, "Gulls nest on cliffs.")
    await passages.number([], [chunk(1, "Entirely other words stand here."), kept])
    monkeypatch.setattr(words, "_MAX_WORDS", 5)
    (text,), (passage,) = await passages.number(["Gulls nest on cliffs."], [kept])
    assert passage.tolist() == text.tolist()


async def test_many_searches_at_a_time_get_their_own_passages(
    table: WordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbered_passages, "_MAX_PASSAGES", 3)
    passages = NumberedPassages(table)
    texts = [f"Passage number {i} of word{i}." for i in range(12)]

    async def check(start: int) -> None:
        wanted = texts[start : start + 4]
        expected, found = await passages.number(wanted, [chunk(start + i, t) for i, t in enumerate(wanted)])
        assert [each.tolist() for each in found] == [each.tolist() for each in expected]

    await asyncio.gather(*(check(start % 9) for start in range(40)))
