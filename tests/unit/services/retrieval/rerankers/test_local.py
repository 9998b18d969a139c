"""The local reranker brings forward what shares the best passages' terms, and the sentence that answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest

import pytest

from services.retrieval.embedders.local import LocalEmbedder
from services.retrieval.model import Chunk, ChunkKey, Span
from services.retrieval.rerankers.local import LocalReranker
from services.retrieval.rerankers.protocol import Candidate, RerankQuery
from services.retrieval.rerankers.words import WordTable
from services.retrieval.terms.bm25 import Bm25Encoder


class Statistics:
    """All terms alike; counts how many it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def idf(self, _tenant: str, terms: Collection[int]) -> Mapping[int, float]:
        self.asked.append(len(terms))
        return dict.fromkeys(terms, 3.0)


@pytest.fixture(scope="module")
def words() -> WordTable:
    return WordTable(LocalEmbedder.load(), Bm25Encoder("english"))


async def order(
    words: WordTable, question: str, texts: list[tuple[str, float]], titles: Sequence[str] = ()
) -> list[str]:
    candidates = [
        Candidate(Chunk(ChunkKey("a", i), "d", text, Span(0, len(text), 0, len(text)), title=title), fused)
        for i, ((text, fused), title) in enumerate(zip_longest(texts, titles, fillvalue=""))
    ]
    scores = await LocalReranker(words, Statistics()).rerank(RerankQuery("t", question), candidates)
    assert all(0.0 <= score <= 1.0 for score in scores)
    return [text for _, (text, _) in sorted(zip(scores, texts, strict=True), key=lambda pair: -pair[0])]


async def test_a_sentence_with_all_the_words_beats_scattered_ones(words: WordTable) -> None:
    together = "The valve opens under pressure. Nothing else is known."
    scattered = "A valve was bought. Pressure is high. Doors open at nine."
    found = await order(words, "when does the valve open under pressure", [(scattered, 0.5), (together, 0.5)])
    assert found[0] == together


async def test_a_like_word_serves_but_a_like_number_does_not(words: WordTable) -> None:
    found = await order(
        words,
        "doctor fee 4512",
        [("The physician charges 90.", 0.5), ("The gardener charges 90.", 0.5), ("Code 4513.", 0.5)],
    )
    assert found[0] == "The physician charges 90."
    found = await order(words, "error 4512", [("Error 4513 stops it.", 0.5), ("Error 4512 stops it.", 0.5)])
    assert found[0] == "Error 4512 stops it."


async def test_what_speaks_as_the_best_passages_do_moves_up(words: WordTable) -> None:
    best = [(f"Turbine blades crack from fatigue in rotor {i}.", 1.0 - i / 100) for i in range(6)]
    kindred = "Fatigue cracks of turbine rotor blades grow."
    stranger = "Shipping crates are stacked in the yard."
    found = await order(words, "failure", [*best, (stranger, 0.4), (kindred, 0.4)])
    assert found.index(kindred) < found.index(stranger)


async def test_the_document_that_the_question_names_goes_first(words: WordTable) -> None:
    texts = [("Sales rose by a tenth.", 0.9), ("Sales fell by a tenth.", 0.7), ("Sales stayed.", 0.1)]
    titles = ["Northwind report", "Harwick Ferries report", ""]
    assert (await order(words, "How did sales of Harwick change?", texts, titles))[0] == texts[1][0]
    # Not by words that are no names, nor by names that no document has.
    for question in ("how did sales of harwick change?", "How did sales of Southgate change?"):
        assert (await order(words, question, texts, titles))[0] == texts[0][0]


async def test_passages_that_say_the_same_as_good_ones_come_before_loners(words: WordTable) -> None:
    kin = [(f"Granite cliffs shelter puffins and gulls on island {i}.", 0.9 - i / 10) for i in range(4)]
    loner, follower = (
        ("Ledgers balance quarterly.", 0.55),
        ("Puffins and gulls on granite cliffs breed.", 0.5),
    )
    found = await order(words, "wildlife", [*kin, loner, follower])
    assert found.index(follower[0]) < found.index(loner[0])


async def test_the_first_order_stays_when_nothing_speaks_against_it(words: WordTable) -> None:
    texts = [("...", 0.9), ("---", 0.5), ("***", 0.1)]
    assert await order(words, "the", texts) == ["...", "---", "***"]


async def test_the_statistics_are_asked_once_for_a_bounded_number_of_terms(words: WordTable) -> None:
    statistics = Statistics()
    text = " ".join(f"term{i}" for i in range(400))
    candidate = Candidate(Chunk(ChunkKey("a", 0), "d", text, Span(0, 1, 0, 1)), 1.0)
    await LocalReranker(words, statistics).rerank(RerankQuery("t", "term1 alpha"), [candidate] * 3)
    assert len(statistics.asked) == 1
    assert statistics.asked[0] <= 62
