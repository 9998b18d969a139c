"""What a provider repeats of the prompt does not get into the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.answer.providers.quotes import LENGTH, without_quotes

PROMPT = ("You answer questions.", "The salary of Ms Example is 71,000 euros.\n\nWho?")


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("bad input: 'The salary of Ms Example is 71,000 euros.' at 3", "bad input: '[quote]' at 3"),
        ("{'input': 'salary of Ms Example', 'loc': ['body']}", "{'input': '[quote]', 'loc': ['body']}"),
        ("temperature is not supported", "temperature is not supported"),
        ("", ""),
    ],
)
def test_pieces_of_the_prompt_are_hidden_and_the_rest_stays(message: str, logged: str) -> None:
    assert without_quotes(message, PROMPT) == logged


def test_a_short_text_is_hidden_whole() -> None:
    assert without_quotes("cannot answer Why me? now", ["Why me?"]) == "cannot answer [quote] now"


@given(st.text(min_size=1, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_no_long_piece_of_a_text_is_left(text: str, before: str, after: str) -> None:
    logged = without_quotes(before + text + after, [text]).split("[quote]")
    for piece in logged:
        for start in range(len(piece) - LENGTH + 1):
            assert piece[start : start + LENGTH] not in text
