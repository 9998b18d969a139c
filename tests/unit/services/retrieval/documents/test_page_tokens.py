"""Page tokens come back whole, and only for the listing they were made for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import DocuQueryError
from services.retrieval.documents.page_tokens import PageTokens
from services.retrieval.store.protocol import Cursor

TOKENS = PageTokens(b"k" * 32)
CURSORS = st.builds(Cursor, st.integers(0, 2**52), st.uuids().map(str))
SCOPES = st.text(max_size=20)


@given(CURSORS, SCOPES)
def test_a_token_reads_as_the_cursor_it_was_made_of(cursor: Cursor, scope: str) -> None:
    token = TOKENS.make(cursor, scope)
    assert TOKENS.read(token, scope) == cursor
    assert token.isascii()
    assert not set(token) & set("+/=")


@given(CURSORS, SCOPES, SCOPES)
def test_a_token_of_another_listing_or_store_is_refused(cursor: Cursor, scope: str, other: str) -> None:
    token = TOKENS.make(cursor, scope)
    if scope != other:
        with pytest.raises(DocuQueryError, match="INVALID_PAGE_TOKEN"):
            TOKENS.read(token, other)
    with pytest.raises(DocuQueryError, match="INVALID_PAGE_TOKEN"):
        PageTokens(b"x" * 32).read(token, scope)


@given(CURSORS, st.data())
def test_a_token_with_one_character_changed_is_refused_or_says_the_same(
    cursor: Cursor, data: st.DataObject
) -> None:
    """The last character of base64 may hold unused bits; all others count."""
    token = TOKENS.make(cursor, "scope")
    position = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_"))
    forged = token[:position] + letter + token[position + 1 :]
    try:
        assert TOKENS.read(forged, "scope") == cursor
        assert forged == token or position == len(token) - 1
    except DocuQueryError as error:
        assert error.reason_name == "INVALID_PAGE_TOKEN"  # noqa: PT017 - either outcome is right


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(DocuQueryError, match="INVALID_PAGE_TOKEN"):
        TOKENS.read(text, "scope")


def test_a_very_long_token_is_refused() -> None:
    with pytest.raises(DocuQueryError, match="INVALID_PAGE_TOKEN"):
        TOKENS.read("A" * 100_000, "scope")
