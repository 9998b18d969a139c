"""Which spaces a store keeps, and how that may change."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.errors import DocuQueryError
from services.retrieval.store.spaces import (
    FIRST_PLACE,
    KeptSpace,
    KeptSpaces,
    VectorSpace,
    require_space,
    spaces_from_fields,
    spaces_to_fields,
)

A, B, C = (VectorSpace(f"openai/{name}", 8, "bm25/english") for name in "abc")

spaces = st.builds(VectorSpace, st.text(), st.integers(1, 65536), st.text())


@given(spaces, spaces)
def test_a_space_has_the_same_place_each_time_and_another_than_others(
    one: VectorSpace, other: VectorSpace
) -> None:
    assert one.place == replace(one).place != FIRST_PLACE
    assert (one.place == other.place) == (one == other)


@given(spaces, st.lists(st.tuples(spaces, st.booleans()), max_size=3))
def test_spaces_come_back_as_they_were_written(
    current: VectorSpace, others: list[tuple[VectorSpace, bool]]
) -> None:
    kept = KeptSpaces(
        KeptSpace(current, current.place), tuple(KeptSpace(s, s.place, is_whole=w) for s, w in others)
    )
    for written in (kept, kept.alone(), KeptSpaces.first(current)):
        assert spaces_from_fields(json.loads(json.dumps(spaces_to_fields(written)))) == written


@pytest.mark.parametrize("place", ["..", "chunks/../x", "documents", "chunks-", "chunks-XYZ", ""])
def test_a_place_is_never_elsewhere(place: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        KeptSpace(A, place)


def test_a_space_is_begun_beside_the_current_one_and_takes_its_place_when_it_is_whole() -> None:
    first = KeptSpaces.first(A)
    begun = first.with_begun(B)
    assert (begun.current, begun.being_filled) == (first.current, KeptSpace(B, B.place, is_whole=False))
    assert begun.with_begun(B) == begun
    assert (begun.is_whole(A), begun.is_whole(B), begun.is_whole(C)) == (True, False, False)
    switched = begun.switched_to(B, keeps_former=True)
    assert switched == KeptSpaces(KeptSpace(B, B.place), (first.current,))
    assert (switched.is_whole(A), switched.is_whole(B), switched.being_filled) == (True, True, None)
    assert begun.switched_to(B, keeps_former=False) == switched.alone()
    assert switched.with_begun(A) == switched, "there already: going back needs no filling from the start"
    assert switched.switched_to(A, keeps_former=True).current == first.current


def test_what_was_begun_for_other_settings_gives_way() -> None:
    assert KeptSpaces.first(A).with_begun(B).with_begun(C) == KeptSpaces.first(A).with_begun(C)


def test_a_third_space_is_refused_while_a_former_one_is_kept() -> None:
    switched = KeptSpaces.first(A).with_begun(B).switched_to(B, keeps_former=True)
    with pytest.raises(DocuQueryError, match="--finish"):
        switched.with_begun(C)
    assert switched.alone().with_begun(C).being_filled is not None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (B, ["EMBEDDING_PROVIDER", "openai/a", "openai/b", "or do this."]),
        (replace(A, dimensions=9), ["EMBEDDING_MODEL", "or do this."]),
        (replace(A, sparse="bm25/german"), ["BM25_LANGUAGE", "or do this."]),
        (C, ["not whole yet", "openai/a", "or do this."]),
    ],
)
def test_settings_of_another_space_are_told_what_to_set(wanted: VectorSpace, words: list[str]) -> None:
    kept = KeptSpaces.first(A).with_begun(C)
    require_space(kept, A, "The store", "do this")
    with pytest.raises(DocuQueryError, match="STORE_MISMATCH") as caught:
        require_space(kept, wanted, "The store", "do this")
    for word in words:
        assert word in caught.value.message
