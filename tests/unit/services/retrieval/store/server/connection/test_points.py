"""Ids on a server: they tell attempt and number, and belong to one tenant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc as q

from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.store.server.connection.points import (
    MAX_SERIAL,
    from_values,
    has_id,
    id_base,
    point_id,
    record_id,
    split_id,
    to_values,
)

ATTEMPT = "0f0e0d0c-0b0a-4908-8706-050403020100"


@given(st.uuids(version=4), st.integers(0, MAX_SERIAL))
def test_an_id_gives_back_what_it_was_made_of(attempt: object, serial: int) -> None:
    base = id_base("acme", str(attempt))
    assert split_id(point_id(base, serial).uuid) == (base, serial)


def test_ids_of_an_attempt_are_in_order() -> None:
    base = id_base("acme", ATTEMPT)
    ids = [point_id(base, serial).uuid for serial in (0, 9, 10, 255, 256, 70_000, MAX_SERIAL)]
    assert ids == sorted(ids)


@given(st.lists(st.uuids().map(str), max_size=200))
def test_a_condition_on_ids_is_the_message_qdrant_knows(ids: list[str]) -> None:
    """It is put together as bytes; the message class reads out of them what went in."""
    as_objects = q.HasIdCondition(has_id=[q.PointId(uuid=uuid) for uuid in ids])
    assert has_id(ids) == q.Condition(has_id=as_objects)


@pytest.mark.parametrize("serial", [-1, MAX_SERIAL + 1])
def test_a_number_beyond_32_bits_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="within"):
        point_id(id_base("acme", ATTEMPT), serial)


def test_tenants_and_attempts_have_ids_of_their_own() -> None:
    attempts = [ATTEMPT, new_attempt_id(), new_attempt_id()]
    bases = {id_base(tenant, attempt) for tenant in ("acme", "Acme", "globex") for attempt in attempts}
    assert len(bases) == 9
    assert record_id("acme", ATTEMPT) != record_id("globex", ATTEMPT)


def test_payloads_come_back_as_they_went_in() -> None:
    payload = {"text": "✈", "number": -(2**53), "list": ["a", "b"], "empty": []}
    assert from_values(to_values(payload)) == payload
