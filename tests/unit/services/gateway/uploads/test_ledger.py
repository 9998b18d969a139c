"""The bookkeeping of an upload stream."""

from __future__ import annotations

import pytest

from docuquery.common.v1 import error_reason_pb2 as reasons
from docuquery.common.v1.upload_pb2 import UploadFooter, UploadHeader, UploadProgress
from docuquery.gateway.v1.docuquery_service_pb2 import UploadDocumentsRequest as Request
from libs.errors import DocuQueryError
from services.gateway.uploads.ledger import MAX_PIECE_BYTES, MAX_REFUSED, UploadLedger, is_final

DEAD = DocuQueryError(reasons.ERROR_REASON_SERVICE_UNAVAILABLE, "Ingest died.")


def header(upload_id: str) -> Request:
    return Request(upload_id=upload_id, header=UploadHeader(filename="a.txt"))


def footer(upload_id: str) -> Request:
    return Request(upload_id=upload_id, footer=UploadFooter())


def piece(upload_id: str, size: int = 10) -> Request:
    return Request(upload_id=upload_id, data=b"x" * size)


def test_a_document_is_unfinished_from_its_header_to_its_last_acknowledgement() -> None:
    ledger = UploadLedger()
    assert not ledger.has_unfinished
    for message in (header("1"), piece("1"), footer("1")):
        assert ledger.check(message) is None
    ledger.acknowledge("1", "", final=False)
    assert ledger.has_unfinished
    ledger.acknowledge("1", "d1", final=True)
    assert not ledger.has_unfinished


def test_ingest_is_busy_while_it_holds_a_whole_document() -> None:
    ledger = UploadLedger()
    ledger.check(header("1"))
    ledger.check(header("2"))
    assert not ledger.ingest_is_busy
    ledger.check(footer("2"))
    assert ledger.ingest_is_busy
    ledger.acknowledge("2", "d2", final=True)
    assert not ledger.ingest_is_busy


def test_giving_up_fails_each_unfinished_document_once() -> None:
    ledger = UploadLedger()
    for upload_id in ("1", "2", "3"):
        ledger.check(header(upload_id))
    ledger.acknowledge("1", "d1", final=True)
    ledger.acknowledge("2", "d2", final=False)
    failed = ledger.give_up(DEAD)
    assert [(r.upload_id, r.document_id) for r in failed] == [("2", "d2"), ("3", "")]
    error = failed[0].progress.failed
    assert (error.reason, error.retryable, error.message) == (DEAD.reason, True, "Ingest died.")
    assert ledger.give_up(DEAD) == []


def test_stragglers_of_a_document_that_has_ended_open_nothing() -> None:
    ledger = UploadLedger()
    ledger.check(header("1"))
    ledger.acknowledge("1", "", final=True)
    ledger.check(piece("1"))
    ledger.check(footer("1"))
    ledger.acknowledge("1", "d1", final=False)
    assert not ledger.has_unfinished


def test_a_piece_of_exactly_the_limit_passes() -> None:
    assert UploadLedger().check(piece("1", MAX_PIECE_BYTES)) is None


def test_too_large_a_piece_refuses_its_document_once_and_for_good() -> None:
    ledger = UploadLedger()
    ledger.check(header("1"))
    refusal = ledger.check(piece("1", MAX_PIECE_BYTES + 1))
    assert refusal is not None
    assert refusal.progress.failed.reason == reasons.ERROR_REASON_INVALID_REQUEST
    assert not refusal.progress.failed.retryable
    assert str(MAX_PIECE_BYTES) in refusal.progress.failed.message
    assert ledger.check(piece("1", MAX_PIECE_BYTES + 1)) is None
    assert ledger.is_refused("1")
    assert not ledger.has_unfinished, "its last word is said"
    assert not ledger.is_refused("2")


@pytest.mark.parametrize("upload_id", ["", "x" * 129, "x" * 100_000])
def test_an_unusable_id_is_refused_and_named_in_short(upload_id: str) -> None:
    ledger = UploadLedger()
    refusal = ledger.check(header(upload_id))
    assert refusal is not None
    assert len(refusal.upload_id) <= 129
    assert ledger.is_refused(upload_id)
    assert not ledger.is_refused("x" * 128)


def test_a_stream_of_nothing_but_faults_ends() -> None:
    ledger = UploadLedger()
    for number in range(MAX_REFUSED):
        ledger.check(piece(str(number), MAX_PIECE_BYTES + 1))
    with pytest.raises(DocuQueryError) as error:
        ledger.check(piece("one more", MAX_PIECE_BYTES + 1))
    assert error.value.reason_name == "UPLOAD_PROTOCOL_VIOLATION"


def test_done_and_failed_are_final() -> None:
    for event in ("received", "parsed", "indexed", "done", "failed"):
        progress = UploadProgress()
        getattr(progress, event).SetInParent()
        assert is_final(progress) == (event in ("done", "failed"))
