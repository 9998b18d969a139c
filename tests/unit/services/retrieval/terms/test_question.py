"""A question under several languages: which terms it has, and what they weigh."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.store.questions import SparseVector
from services.retrieval.terms.bm25 import LANGUAGES, Bm25Encoder
from services.retrieval.terms.question import (
    MAX_LANGUAGES,
    NO_TERMS,
    QuestionTerms,
    asked_languages,
    terms_under,
    weighted,
)

ENCODER = Bm25Encoder("english")


def engine_idf(total: int, having: int) -> float:
    """Qdrant's formula."""
    return math.log(1 + (total - having + 0.5) / (having + 0.5))


def test_codes_that_are_indexed_alike_are_one_language() -> None:
    documents = {"": 3, "en": 4, "pl": 1, "zh": 2, "de": 5}
    assert asked_languages(ENCODER, documents) == {"english": 10, "german": 5}


def test_a_tenant_without_documents_is_asked_under_the_stores_own_language() -> None:
    assert asked_languages(ENCODER, {}) == {"english": 0}
    assert asked_languages(Bm25Encoder("german"), {}) == {"german": 0}


def test_of_very_many_languages_those_of_most_documents_are_asked() -> None:
    codes = [code for code in LANGUAGES.values() if code not in ("", "zh", "ja")]
    asked = asked_languages(ENCODER, {code: number for number, code in enumerate(codes, start=1)})
    assert len(asked) == MAX_LANGUAGES
    assert min(asked.values()) == len(codes) - MAX_LANGUAGES + 1


@pytest.mark.parametrize("language", ["english", "german"])
def test_under_one_language_a_question_is_what_it_always_was(language: str) -> None:
    text = "Which harbours are in ERR-4512?"
    terms = terms_under(ENCODER, text, [language])
    assert terms.vector == ENCODER.query(text, language)
    assert weighted(terms, {language: 7}, {}) is terms


def test_each_language_has_the_terms_its_documents_can_have() -> None:
    text = "Vertrag ERR-4512"
    terms = terms_under(ENCODER, text, ["english", "german"])
    assert terms.by_language == {
        language: frozenset(ENCODER.query(text, language).indices) for language in ("english", "german")
    }
    shared = terms.by_language["english"] & terms.by_language["german"]
    assert len(shared) == 1, "the identifier as a whole"
    assert set(terms.vector.indices) == set().union(*terms.by_language.values())


def test_small_words_of_the_questions_language_mean_nothing_in_the_others() -> None:
    """`die`, `war` and `hat` are English words, but not in a German question."""
    terms = terms_under(ENCODER, "Hat die Miliz eine Waffe, die sie war?", ["english", "german"])
    assert terms.by_language["english"] == set(ENCODER.query("Miliz Waffe").indices)
    asked = terms_under(ENCODER, "What hat sizes are there, and who will die?", ["english", "german"])
    assert set(ENCODER.query("hat size die").indices) <= asked.by_language["english"]


def test_a_single_small_word_decides_nothing() -> None:
    terms = terms_under(ENCODER, "hat sizes", ["english", "german"])
    assert terms.by_language["english"] == set(ENCODER.query("hat sizes").indices)


def made(own: dict[str, list[int]], shared: list[int]) -> QuestionTerms:
    by_language = {language: frozenset([*terms, *shared]) for language, terms in own.items()}
    indices = tuple(sorted(frozenset().union(*by_language.values())))
    return QuestionTerms(SparseVector(indices, (1.0,) * len(indices)), by_language)


COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=5)


@given(COUNTS, COUNTS, st.integers(50, 5000), st.integers(50, 5000))
def test_weights_bring_back_the_frequencies_within_a_language(
    english: list[int], german: list[int], many: int, few: int
) -> None:
    """What a language can reach stays; within it, words are to each other as if it were alone."""
    total = many + few
    terms = made({"english": [*range(len(english))], "german": [100 + i for i in range(len(german))]}, [999])
    idf = {i: engine_idf(total, n) for i, n in enumerate(english)}
    idf |= {100 + i: engine_idf(total, n) for i, n in enumerate(german)} | {999: engine_idf(total, 3)}
    result = weighted(terms, {"english": many, "german": few}, idf)
    assert result.by_language == terms.by_language
    for language, counts, first, own in (("english", english, 0, many), ("german", german, 100, few)):
        worth = result.weighted_idf(language, idf)
        assert sum(worth.values()) == pytest.approx(sum(idf[t] for t in terms.by_language[language]))
        assert worth[999] == pytest.approx(idf[999]), "what has no language keeps its weight"
        alone = [max(0.05, engine_idf(own, n)) for n in counts]
        ratio = worth[first] / alone[0]
        assert [worth[first + i] for i in range(len(counts))] == pytest.approx([ratio * a for a in alone])


def test_a_language_that_was_not_asked_is_worth_nothing() -> None:
    assert made({"english": [1]}, []).weighted_idf("german", {1: 2.0}) == {}
    assert NO_TERMS.weighted_idf("english", {}) == {}


def test_stop_words_only_are_no_terms() -> None:
    terms = terms_under(ENCODER, "and the or", ["english", "german"])
    assert terms.by_language["english"] == frozenset()
    result = weighted(terms, {"english": 3, "german": 4}, dict.fromkeys(terms.vector.indices, 1.0))
    assert sum(result.weighted_idf("english", {}).values()) == 0
