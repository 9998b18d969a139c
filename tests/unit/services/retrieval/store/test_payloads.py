"""What is stored comes back the same, for every record, chunk and block."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from docuquery.common.v1 import error_reason_pb2 as reasons
from services.retrieval.documents.identifiers import new_attempt_id
from services.retrieval.model import Chunk, DocumentError, DocumentRecord, DocumentType, Status
from services.retrieval.store.payloads import (
    block_from_payload,
    block_to_payload,
    chunk_from_payload,
    chunk_to_payload,
    from_microseconds,
    record_from_payload,
    record_to_payload,
    to_microseconds,
)
from tests.contract.retrieval_samples import block, chunk, record

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(TIMES)
def test_times_keep_their_microseconds(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


@given(
    st.builds(
        record,
        st.integers(0, 99),
        live=st.booleans(),
        status=st.sampled_from(Status),
        type_=st.sampled_from(DocumentType),
        metadata=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    ),
    TIMES,
    st.booleans(),
    st.booleans(),
)
def test_records_come_back_the_same(
    item: DocumentRecord, moment: datetime, with_error: bool, keeps_metadata: bool
) -> None:
    error = DocumentError(reasons.ERROR_REASON_NO_TEXT, "No text.", retryable=True) if with_error else None
    described = replace(item.attempt.description, keeps_metadata=keeps_metadata)
    attempt = replace(item.attempt, error=error, update_time=moment, description=described)
    item = replace(item, create_time=moment, attempt=attempt)
    stored = json.loads(json.dumps(record_to_payload(item)))
    assert record_from_payload(stored) == item


def test_chunks_come_back_the_same_with_and_without_what_is_optional() -> None:
    full = chunk(new_attempt_id(), 3)
    bare = Chunk(full.key, full.document_id, full.text, full.span)
    for item in (full, bare):
        assert chunk_from_payload(json.loads(json.dumps(chunk_to_payload(item)))) == item
    assert len(chunk_to_payload(bare)["chunk"]) < len(chunk_to_payload(full)["chunk"])


def test_blocks_come_back_the_same() -> None:
    item = block(7, "text")
    assert block_from_payload(json.loads(json.dumps(block_to_payload("a", item)))) == item
