"""Ids are stable for what is the same, different for what is not."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.documents.identifiers import chunk_id, document_id, new_attempt_id

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


def test_attempts_never_share_an_id() -> None:
    ids = {new_attempt_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(str(uuid.UUID(attempt)) == attempt for attempt in ids)
