"""Encoding word by word gives what encoding the whole text gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.embedders import word_pieces
from services.retrieval.embedders.word_pieces import WordPieces


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    import wordllama

    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=256)
    model.tokenizer.no_padding()
    return model.tokenizer


@pytest.fixture(scope="module")
def pieces(tokenizer: Any) -> WordPieces:
    return WordPieces(tokenizer)


def whole(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@pytest.mark.parametrize(
    "text",
    [
        "Hello  world",
        "  two before, three after   ",
        "line\n\nline\r\n\tindented     wide",
        "漢字かな交じり文。 ✈ 👩‍👩‍👧 Äpfel",
        "ERR-4512: see § 12.3 (page 7)... e.g. U.S.A.",
        "a▁b ▁▁c",
        "x" * 5000,
    ],
)
def test_the_ids_are_those_of_the_whole_text(tokenizer: Any, pieces: WordPieces, text: str) -> None:
    assert pieces.ids([text]) == [whole(tokenizer, text)]


@given(
    texts=st.lists(
        st.text(alphabet=st.one_of(st.sampled_from(" \n▁.,-aeZ9é漢"), st.characters(codec="utf-8")))
    )
)
def test_any_text_alone_or_among_others_has_these_ids(
    tokenizer: Any, pieces: WordPieces, texts: list[str]
) -> None:
    texts = [text for text in texts if "<s>" not in text and "</s>" not in text and "<unk>" not in text]
    assert pieces.ids(texts) == [whole(tokenizer, text) if text else pieces.ids([""])[0] for text in texts]


def test_more_words_than_are_remembered_change_nothing(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_pieces, "_MAX_REMEMBERED_WORDS", 3)
    few = WordPieces(tokenizer)
    for text in ("one two three four five", "six seven one two", "three four"):
        assert few.ids([text]) == [whole(tokenizer, text)]


def test_a_tokenizer_whose_pieces_cross_words_is_refused() -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    with pytest.raises(ValueError, match="cross words"):
        WordPieces(Tokenizer(BPE({"a": 0, "▁": 1, "a▁": 2}, [("a", "▁")])))
