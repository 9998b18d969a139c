"""Ids are stable for what is the same, different for what is not."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.identifiers import chunk_id, chunk_key, document_id, new_attempt_id, point_id
from services.retrieval.model import ChunkKey

NAMES = st.text(min_size=1, max_size=8)


@given(NAMES, NAMES)
def test_a_document_id_is_a_uuid_of_tenant_and_source(tenant: str, source: str) -> None:
    first = document_id(tenant, source)
    assert first == document_id(tenant, source)
    assert uuid.UUID(first).version == 5
    assert first != document_id(tenant + "x", source)


def test_tenant_and_source_do_not_run_together() -> None:
    assert document_id("ab", "c") != document_id("a", "bc")


def test_ids_never_change_from_release_to_release() -> None:
    """Clients keep them."""
    document = document_id("acme", "handbook/leave.md")
    assert document == "6c5fcbec-d11d-5619-a14a-3900379823cb"
    assert chunk_id(document, "a" * 64, 3) == "e5938cce-8924-5e4b-b694-0d90fb35a26d"


@given(st.integers(0, 2**32 - 1))
def test_a_point_id_tells_attempt_and_ordinal(ordinal: int) -> None:
    attempt = new_attempt_id()
    assert str(uuid.UUID(attempt)) == attempt
    point = point_id(attempt, ordinal)
    assert chunk_key(uuid.UUID(point).int) == ChunkKey(attempt, ordinal)
    assert point_id(attempt, 0) == attempt
