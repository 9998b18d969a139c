"""Adding up word by word gives what encoding the whole text gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import BPE

from services.retrieval.embedders import word_vectors
from services.retrieval.embedders.word_vectors import WordVectors

SPECIAL = ("<s>", "</s>", "<unk>")
"""The model's own tokenizer reads a sentence's end into these; here they are plain text."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    import wordllama

    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True, dim=256)
    model.tokenizer.no_padding()
    return model.tokenizer


@pytest.fixture(scope="module")
def vectors(tokenizer: Any) -> NDArray[np.float32]:
    """Small whole numbers, whose sums are exact: other pieces have another sum (nearly always)."""
    random = np.random.default_rng(1)
    return random.integers(-1000, 1000, (tokenizer.get_vocab_size(), 16)).astype(np.float32)


@pytest.fixture(scope="module")
def words(tokenizer: Any, vectors: NDArray[np.float32]) -> WordVectors:
    return WordVectors(tokenizer, vectors)


def whole(tokenizer: Any, vectors: NDArray[np.float32], text: str) -> list[float]:
    total: list[float] = vectors[tokenizer.encode(text, add_special_tokens=False).ids].sum(axis=0).tolist()
    return total


@pytest.mark.parametrize(
    "text",
    [
        "Hello  world",
        "  two before, three after   ",
        "line\n\nline\r\n\tindented     wide",
        "漢字かな交じり文。 ✈ 👩‍👩‍👧 Äpfel",
        "ERR-4512: see § 12.3 (page 7)... e.g. U.S.A.",
        "“Quoted.” said he, «ainsi». {\r\n}; x²,y² naïve-café's",
        "a▁b ▁▁c",
        "x" * 5000,
        "0x1F, <0x0A> and </p>",
    ],
)
def test_the_sum_is_that_of_the_whole_text(
    tokenizer: Any, vectors: NDArray[np.float32], words: WordVectors, text: str
) -> None:
    assert words.sums([text]).tolist() == [whole(tokenizer, vectors, text)]


@given(
    texts=st.lists(
        st.text(
            alphabet=st.one_of(
                st.sampled_from(" \n\r▁.,-()\"'”»²aeZ9éé漢"),
                st.characters(codec="utf-8"),
                st.characters(codec="ascii"),
            ),
            min_size=1,
        )
    )
)
def test_any_text_alone_or_among_others_has_this_sum(
    tokenizer: Any, vectors: NDArray[np.float32], words: WordVectors, texts: list[str]
) -> None:
    texts = [text for text in texts if not any(special in text for special in SPECIAL)]
    assert words.sums(texts).tolist() == [whole(tokenizer, vectors, text) for text in texts]


def test_more_words_than_are_remembered_change_nothing(
    tokenizer: Any, vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_vectors, "_MAX_WORDS", 3)
    few = WordVectors(tokenizer, vectors)
    for text in ("one two three four five", "six seven one two", "three four"):
        assert few.sums([text]).tolist() == [whole(tokenizer, vectors, text)]


@pytest.mark.parametrize("pair", [("a", "▁"), ("a", "."), (")", "7"), ("a", "\n")])
def test_a_tokenizer_whose_pieces_cross_words_is_refused(pair: tuple[str, str]) -> None:
    model = BPE({piece: number for number, piece in enumerate((*pair, "".join(pair)))}, [pair])
    with pytest.raises(ValueError, match="cross words"):
        WordVectors(Tokenizer(model), np.zeros((3, 4), dtype=np.float32))
