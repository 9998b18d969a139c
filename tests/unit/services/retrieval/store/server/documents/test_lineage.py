"""Of writes on one revision the winner knows it won, however many others have built on its write."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from qdrant_client import grpc as q

from docuquery.common.v1 import error_reason_pb2 as reasons
from libs.clock import ManualClock
from libs.errors import DocuQueryError
from services.retrieval.model import DocumentRecord
from services.retrieval.store.payloads import Payload
from services.retrieval.store.server.connection.points import record_id, to_values
from services.retrieval.store.server.documents.index import RecordIndex
from services.retrieval.store.server.documents.lineage import Lineages, has_won
from services.retrieval.store.server.documents.payloads import record_payload, removed_payload
from tests.contract.retrieval_samples import NOW, next_revision, record

TENANT = "acme"
FIRST = replace(record(1), revision=7, update_time=NOW)


def written(item: DocumentRecord, former: Payload | None = None) -> Payload:
    return record_payload(TENANT, item, secrets.token_hex(8), RecordIndex()) | (former or {})


def stored(payload: Payload) -> q.RetrievedPoint:
    return q.RetrievedPoint(id=record_id(TENANT, FIRST.document_id), payload=to_values(payload))


def built_on(base: Payload, times: int, *, now: datetime = NOW) -> q.RetrievedPoint:
    """What is stored after others made so many further changes, each having read the one before."""
    point, current = stored(base), FIRST
    for _ in range(times):
        lineages = Lineages(ManualClock(now))
        lineages.note(point, current)
        former = lineages.behind(point.id, current.revision)
        current = next_revision(current)
        point = stored(written(current, former))
    return point


@pytest.mark.parametrize("later", [0, 1, 16, 17, 50, 100])
def test_a_winner_is_found_behind_later_writes_and_a_loser_is_not(later: int) -> None:
    winner, loser = written(FIRST), written(FIRST)
    after = built_on(winner, later)
    assert has_won(winner, after)
    assert not has_won(loser, after)


def test_nobody_is_told_to_start_over_when_it_cannot_be_known_whether_he_won() -> None:
    """Else his change might be made twice."""
    winner, loser = written(FIRST), written(FIRST)
    for after in (built_on(winner, 101), built_on(winner, 1, now=NOW + timedelta(minutes=2))):
        assert len(after.payload["former_tokens"].list_value.values) <= 100
        for writer in (winner, loser):
            with pytest.raises(DocuQueryError) as told:
                has_won(writer, after)
            assert told.value.reason == reasons.ERROR_REASON_STORE_UNAVAILABLE


def test_one_whose_record_is_gone_may_start_over() -> None:
    mine = written(FIRST)
    reborn = replace(FIRST, revision=10**15, create_time=NOW + timedelta(hours=1))
    assert not has_won(mine, None)
    assert not has_won(mine, stored(removed_payload(TENANT, 8, "token")))
    assert not has_won(mine, stored(written(reborn)))


def test_records_long_at_rest_carry_no_tokens_on() -> None:
    after = built_on(written(FIRST), 1, now=NOW + timedelta(minutes=2))
    assert not after.payload["former_tokens"].list_value.values
