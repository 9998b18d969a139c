"""Words become terms: stemmed, without stop words, the same in questions and passages."""

from __future__ import annotations

import pytest

from services.retrieval.sparse import LANGUAGES, Bm25Encoder


def test_a_question_and_a_passage_share_the_terms_of_their_words() -> None:
    encoder = Bm25Encoder("english")
    question, passage = encoder.query("Running harbours?"), encoder.document("A harbour runs on its own.")
    assert set(question.indices) <= set(passage.indices)
    assert question.values == (1.0, 1.0)


def test_stop_words_and_punctuation_are_no_terms() -> None:
    assert Bm25Encoder("english").document("the of and ... !").indices == ()


def test_a_term_counts_once_in_a_question() -> None:
    assert len(Bm25Encoder("english").query("harbour harbour HARBOURS").indices) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_offered_works(language: str) -> None:
    encoder = Bm25Encoder(language)
    assert encoder.query("4512").indices
    assert f"/{language}/" in encoder.name


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="klingon"):
        Bm25Encoder("klingon")
