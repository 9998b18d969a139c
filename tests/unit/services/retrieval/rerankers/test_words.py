"""Words get numbers: the same for the same word, with sentence ends, and a table that stays small."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.rerankers import words
from services.retrieval.rerankers.words import NO_TERM, SENTENCE_END, WordTable
from services.retrieval.terms.bm25 import Bm25Encoder


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder.load()


@pytest.fixture
def table(embedder: LocalEmbedder) -> WordTable:
    return WordTable(embedder, Bm25Encoder("english"))


async def test_sentences_end_at_their_marks_at_blank_lines_and_at_the_end(table: WordTable) -> None:
    (ids,) = await table.number(["Pumps leak. Is it 3.5 bar?\n\nNo"])
    ends = [i for i, word in enumerate(ids.tolist()) if word == SENTENCE_END]
    # pumps leak | is it 3 5 bar | (blank line) | no |
    assert ends == [2, 8, 9, 11]


async def test_words_of_one_stem_have_one_term_and_stop_words_none(table: WordTable) -> None:
    (ids,) = await table.number(["Repairing repaired THE pump"])
    terms = table.terms[ids].tolist()
    assert terms[0] == terms[1] != NO_TERM
    assert terms[2] == NO_TERM
    assert table.index_terms[terms[3]] == Bm25Encoder("english").query("pump").indices[0]


async def test_numbers_and_codes_are_exact(table: WordTable) -> None:
    (ids,) = await table.number(["pump 4512 b2b"])
    assert table.inexact[ids].tolist() == [True, False, False, False]
    lengths = np.linalg.norm(table.vectors[ids], axis=1)
    assert lengths == pytest.approx([1, 1, 1, 0], abs=1e-5)


async def test_characters_of_unspaced_scripts_are_words(table: WordTable) -> None:
    (ids,) = await table.number(["漢字。"])
    assert len(ids) == 4
    assert ids[2] == SENTENCE_END


async def test_a_text_without_words_is_one_end(table: WordTable) -> None:
    assert [ids.tolist() for ids in await table.number(["", "—", "\u200b"])] == [[SENTENCE_END]] * 3
    assert await table.number([]) == []


async def test_the_table_begins_anew_when_it_is_full(
    table: WordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_MAX_WORDS", 1500)
    many = [f"word{i}x" for i in range(3000)]
    for start in range(0, 3000, 300):
        (ids,) = await table.number([" ".join(many[start : start + 300])])
        assert len({*ids.tolist()}) == 301
        assert len(table.terms) <= 4096
    again = await asyncio.gather(*(table.number(["pump leaks", many[i]]) for i in range(20)))
    assert all(line[0].tolist() == again[0][0].tolist() for line in again)
